/* A load for Buttplug servers that is never the bottleneck: clients, and toys that dial in by
 * websocket, all in one process with one clock. Made and run by tests/benchmarks/load.py.
 *
 * load KEY=VALUE...
 *   port       where clients dial, at 127.0.0.1              path      of the websocket, "/"
 *   clients    how many                                      devices   that have to be listed first
 *   toys       how many dial in themselves                   toys_port where
 *   rate       commands a second in all, at times fixed beforehand, whatever the answers do
 *   window     instead of rate: commands that each client has outstanding
 *   bare       1: frames are as long as commands; any frame that comes back is the answer
 *   stops      this many stops of device 0 by a client of its own, 50 ms apart
 *   stopper    0: by the first client, for servers that have no more than one
 *   seconds    how long                                      first     index of the first device
 *   quit       0: a line when all are there, and clients stay, silent, until standard input is closed
 *   scan       1: they go on scanning
 *
 * Prints one JSON object. Latencies are in microseconds, from the moment that a command was due: a
 * server that stands still is charged for all that should have been said meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { RING = 1 << 16, HEAD = 512, OUT = 1 << 17, SAMPLES = 1 << 22, STEPS = 20, STOPS = 4096 };
enum phase { GREETING, LISTING, READY };

/* One websocket. Of each frame only the first HEAD bytes are kept. */
struct conn {
    int fd, toy, number;
    enum phase phase;
    int upgraded, http_end;
    uint64_t left, frame_len;
    unsigned char header[14];
    int header_len, opcode;
    char head[HEAD + 1];
    int head_len;
    uint64_t listed, match;
    char out[OUT];
    int out_len, writing;
    uint32_t id;
    int outstanding;
    uint64_t due[RING];
};

static int ep, timer, leaving, open_conns;
static struct conn **conns;
static int n_conns;
static long port, clients = 1, want, toys, toys_port, window, stops, first, bare, scan, stopper = 1, quit = 1;
static double rate, seconds = 1;
static const char *path = "/";
static uint64_t begun, ends, held, sent, answered, errors, list_bytes, lists;
static uint32_t *lat, *toy_lat, *stop_lat;
static size_t n_lat, n_toy, n_stop;
/* By device (toy): when the newest value was due, by value; when those stops were sent that no 0
 * has followed yet: one that comes is behind all of them. */
static uint64_t toy_due[1024][STEPS + 1];
static uint64_t stop_waits[STOPS], toy_writes, stops_sent, offs;
static int n_waits;
static char stop_times[1 << 16];
static int stop_times_len;

static void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(uint32_t *into, size_t *count, uint64_t since) {
    uint64_t us = (now_ns() - since) / 1000;
    if (*count < SAMPLES) into[(*count)++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void watch(struct conn *c, int writing, int how) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, how, c->fd, &event);
    c->writing = writing;
}

static void flush(struct conn *c) {
    while (c->out_len) {
        ssize_t n = send(c->fd, c->out, (size_t)c->out_len, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN || leaving) break;
            fail("connection %d cannot be written: %s", c->number, strerror(errno));
        }
        memmove(c->out, c->out + n, (size_t)(c->out_len - n));
        c->out_len -= (int)n;
    }
    if ((c->out_len > 0) != c->writing) watch(c, c->out_len > 0, EPOLL_CTL_MOD);
}

static void put(struct conn *c, const void *bytes, int n) {
    if (c->out_len + n > OUT) fail("connection %d takes nothing any more", c->number);
    memcpy(c->out + c->out_len, bytes, (size_t)n);
    c->out_len += n;
}

/* One frame, masked by zeros (RFC 6455, 5.3, asks for a mask, and not of what). */
static void frame(struct conn *c, int opcode, const char *text, int n) {
    unsigned char head[8] = {(unsigned char)(0x80 | opcode)};
    int used = 2;
    if (n < 126) head[1] = (unsigned char)(0x80 | n);
    else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(n >> 8);
        head[3] = (unsigned char)n;
        used = 4;
    }
    memset(head + used, 0, 4);
    put(c, head, used + 4);
    put(c, text, n);
    flush(c);
}

static void say(struct conn *c, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    frame(c, 1, text, n);
}

static void command(struct conn *c, uint64_t due) {
    if (c->out_len > OUT / 2) { /* the server does not read: a flood goes as fast as it does */
        held++;
        return;
    }
    long device = want ? (long)((sent / STEPS * STEPS + sent) % (uint64_t)want) : 0;
    if (window && want >= clients) /* each drives toys of its own */
        device = c->number * (want / clients) + (long)(c->id % (uint64_t)(want / clients));
    else if (want)
        device = (long)(sent % (uint64_t)want);
    /* Never the value that it has: what changes nothing costs nothing. */
    uint32_t value = 1 + (uint32_t)((sent / (uint64_t)(want ? want : 1)) % STEPS);
    uint32_t id = ++c->id + 10;
    c->due[id % RING] = due;
    c->outstanding++;
    sent++;
    if (toys && device < 1024) toy_due[device][value] = due;
    say(c, "[{\"OutputCmd\":{\"Id\":%u,\"DeviceIndex\":%ld,\"FeatureIndex\":0,\"Command\":"
           "{\"Vibrate\":{\"Value\":%u}}}}]", id, first + device, value);
}

static void stop(struct conn *c) {
    uint64_t now = now_ns();
    uint32_t id = ++c->id + 10;
    c->due[id % RING] = now;
    if (n_waits < STOPS) stop_waits[n_waits++] = now;
    stops_sent++;
    if (stop_times_len < (int)sizeof stop_times - 32)
        stop_times_len += snprintf(stop_times + stop_times_len, 32, "%s%llu",
                                   stop_times_len ? "," : "", (unsigned long long)now);
    say(c, "[{\"StopCmd\":{\"Id\":%u,\"DeviceIndex\":%ld,\"Inputs\":true,\"Outputs\":true}}]",
        id, first);
}

static int is_stopper(const struct conn *c) { return stops && stopper && c->number == clients; }

static void heard_client(struct conn *c) {
    if (bare) {
        if (c->opcode != 1) return;
        uint32_t id = 0;
        const char *at = strstr(c->head, "\"Id\":");
        if (at) id = (uint32_t)strtoul(at + 5, NULL, 10);
        note(lat, &n_lat, c->due[id % RING]);
        answered++;
        c->outstanding--;
        return;
    }
    if (strncmp(c->head, "[{\"ServerInfo\"", 14) == 0) {
        c->phase = LISTING;
        say(c, "[{\"StartScanning\":{\"Id\":2}}]");
        say(c, "[{\"RequestDeviceList\":{\"Id\":3}}]");
    } else if (strncmp(c->head, "[{\"DeviceList\"", 14) == 0) {
        lists++;
        list_bytes += c->frame_len;
        if (c->phase == LISTING && c->listed >= (uint64_t)want) {
            c->phase = READY;
            if (!scan) say(c, "[{\"StopScanning\":{\"Id\":4}}]");
        }
    } else if (c->phase == READY) {
        const char *at = strstr(c->head, "\"Id\":");
        uint32_t id = at ? (uint32_t)strtoul(at + 5, NULL, 10) : 0;
        if (id <= 10) return;
        if (is_stopper(c)) {
            note(stop_lat + SAMPLES / 2, &n_stop, c->due[id % RING]);
            return;
        }
        if (strncmp(c->head, "[{\"Ok\"", 6) == 0) {
            note(lat, &n_lat, c->due[id % RING]);
            answered++;
        } else {
            if (!errors) fprintf(stderr, "%s\n", c->head);
            errors++;
        }
        c->outstanding--;
    }
}

static size_t n_off;

static void heard_toy(struct conn *c) {
    if (strncmp(c->head, "DeviceType", 10) == 0) frame(c, 2, "Z:11:0082059AD3BD;", 18);
    else if (strncmp(c->head, "Battery", 7) == 0) frame(c, 2, "90;", 3);
    else {
        if (strncmp(c->head, "Vibrate:", 8) == 0) {
            unsigned long value = strtoul(c->head + 8, NULL, 10);
            toy_writes++;
            if (value == 0) {
                if (c->number == 0) {
                    offs++;
                    for (int i = 0; i < n_waits; i++) note(stop_lat, &n_off, stop_waits[i]);
                    n_waits = 0;
                }
            } else if (value <= STEPS && toy_due[c->number][value]) {
                note(toy_lat, &n_toy, toy_due[c->number][value]);
                toy_due[c->number][value] = 0;
            }
        }
        frame(c, 2, "OK;", 3);
    }
}

static void frame_ends(struct conn *c) {
    c->head[c->head_len] = 0;
    if (c->opcode == 8 && !leaving) fail("connection %d was closed by the server", c->number);
    if (c->opcode == 9) frame(c, 10, c->head, c->head_len > 125 ? 125 : c->head_len);
    else if (c->opcode == 1 || c->opcode == 2) c->toy ? heard_toy(c) : heard_client(c);
}

/* Devices of a list that is too long to keep: one "DeviceName" each. */
static void count_devices(struct conn *c, const char *bytes, size_t n) {
    static const char name[] = "\"DeviceName\"";
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == name[c->match]) {
            if (++c->match == sizeof name - 1) c->listed++, c->match = 0;
        } else c->match = bytes[i] == name[0];
    }
}

static void take(struct conn *c, const char *bytes, size_t n) {
    while (n) {
        if (!c->left) {
            c->header[c->header_len++] = (unsigned char)*bytes++;
            n--;
            if (c->header_len < 2) continue;
            int size = c->header[1] & 0x7f, need = size == 127 ? 10 : size == 126 ? 4 : 2;
            if (c->header_len < need) continue;
            uint64_t length = (uint64_t)size;
            if (need > 2) {
                length = 0;
                for (int i = 2; i < need; i++) length = length << 8 | c->header[i];
            }
            int opcode = c->header[0] & 15, last = c->header[0] & 0x80;
            c->header_len = 0;
            if (opcode) {
                c->opcode = opcode;
                c->head_len = 0, c->listed = 0, c->match = 0, c->frame_len = 0;
            }
            if (!last) c->opcode |= 16;
            else c->opcode &= 15;
            c->frame_len += length;
            c->left = length;
            if (!length) {
                if (!(c->opcode & 16)) frame_ends(c);
                continue;
            }
        }
        size_t part = n < c->left ? n : (size_t)c->left;
        size_t kept = part < (size_t)(HEAD - c->head_len) ? part : (size_t)(HEAD - c->head_len);
        memcpy(c->head + c->head_len, bytes, kept);
        c->head_len += (int)kept;
        if (c->phase == LISTING) count_devices(c, bytes, part);
        bytes += part, n -= part, c->left -= part;
        if (!c->left && !(c->opcode & 16)) frame_ends(c);
    }
}

static void upgraded(struct conn *c) {
    c->upgraded = 1;
    if (c->toy)
        say(c, "{\"identifier\":\"LVSDevice\",\"address\":\"bench-toy-%d\",\"version\":0}", c->number);
    else if (bare) c->phase = READY;
    else
        say(c, "[{\"RequestServerInfo\":{\"Id\":1,\"ClientName\":\"load %d\","
               "\"ProtocolVersionMajor\":4,\"ProtocolVersionMinor\":0}}]", c->number);
}

static void readable(struct conn *c) {
    static char bytes[1 << 18];
    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n < 0) {
            if (errno == EAGAIN || leaving) return;
            fail("connection %d: %s", c->number, strerror(errno));
        }
        if (!n && leaving) {
            epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
            open_conns--;
            return;
        }
        if (!n) fail("connection %d was ended by the server", c->number);
        ssize_t at = 0;
        while (!c->upgraded && at < n) {
            if (c->head_len < HEAD) c->head[c->head_len++] = bytes[at];
            c->http_end = bytes[at] == "\r\n\r\n"[c->http_end] ? c->http_end + 1 : bytes[at] == '\r';
            at++;
            if (c->http_end == 4) {
                if (strncmp(c->head, "HTTP/1.1 101", 12)) fail("refused: %.60s", c->head);
                c->head_len = 0;
                upgraded(c);
            }
        }
        take(c, bytes + at, (size_t)(n - at));
        if (n < (ssize_t)sizeof bytes) return;
    }
}

static struct conn *dial(long to, int toy, int number) {
    struct conn *c = calloc(1, sizeof *c);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    if (!c) fail("no memory");
    c->toy = toy, c->number = number;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address))
        fail("port %ld: %s", to, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, 0, EPOLL_CTL_ADD);
    open_conns++;
    char text[512];
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", toy ? "/" : path, to);
    put(c, text, n);
    flush(c);
    return conns[n_conns++] = c;
}

static void turn(int wait_ms) {
    struct epoll_event events[256];
    int n = epoll_wait(ep, events, 256, wait_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (!c) {
            uint64_t times;
            if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) fail("timer");
            continue;
        }
        if (events[i].events & EPOLLOUT) flush(c);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
    }
}

static void wake_at(uint64_t ns) {
    struct itimerspec at = {.it_value = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void figures(const char *name, uint32_t *values, size_t n) {
    qsort(values, n, sizeof *values, by_size);
    printf(",\"%s\":{\"count\":%zu", name, n);
    if (n)
        printf(",\"p50\":%u,\"p99\":%u,\"max\":%u", values[n / 2],
               values[n * 99 / 100 < n ? n * 99 / 100 : n - 1], values[n - 1]);
    printf("}");
}

static void ready(double limit_s) {
    uint64_t limit = now_ns() + (uint64_t)(limit_s * 1e9), asked = now_ns();
    for (;;) {
        int left = 0;
        for (int i = 0; i < n_conns; i++) left += !conns[i]->toy && conns[i]->phase != READY;
        if (!left) return;
        uint64_t now = now_ns();
        if (now > limit) fail("%d clients are not ready after %g s", left, limit_s);
        if (now - asked > 500000000u && clients <= 8) { /* servers that push nothing */
            asked = now;
            for (int i = 0; i < n_conns; i++)
                if (conns[i]->phase == LISTING) say(conns[i], "[{\"RequestDeviceList\":{\"Id\":3}}]");
        }
        turn(100);
    }
}

int main(int argc, char **argv) {
    double limit_s = 60;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) fail("what is %s?", argv[i]);
        *value++ = 0;
        const struct { const char *key; long *at; } longs[] = {
            {"port", &port}, {"clients", &clients}, {"devices", &want}, {"toys", &toys},
            {"toys_port", &toys_port}, {"window", &window}, {"stops", &stops}, {"first", &first},
            {"bare", &bare}, {"scan", &scan}, {"stopper", &stopper}, {"quit", &quit}};
        int found = 0;
        for (size_t k = 0; k < sizeof longs / sizeof *longs; k++)
            if (!strcmp(argv[i], longs[k].key)) *longs[k].at = atol(value), found = 1;
        if (!strcmp(argv[i], "rate")) rate = atof(value), found = 1;
        if (!strcmp(argv[i], "seconds")) seconds = atof(value), found = 1;
        if (!strcmp(argv[i], "ready")) limit_s = atof(value), found = 1;
        if (!strcmp(argv[i], "path")) path = value, found = 1;
        if (!found) fail("what is %s?", argv[i]);
    }
    if (toys > 1024) fail("1024 toys at most");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    lat = calloc(SAMPLES, 4), toy_lat = calloc(SAMPLES, 4), stop_lat = calloc(SAMPLES, 4);
    conns = calloc((size_t)(clients + toys + 1), sizeof *conns);
    ep = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(ep, EPOLL_CTL_ADD, timer, &event);

    for (int i = 0; i < toys; i++) {
        dial(toys_port, 1, i);
        turn(0);
    }
    int base = n_conns;
    for (int i = 0; i < clients + (stops > 0 && stopper); i++) {
        dial(port, 0, i);
        turn(0);
    }
    ready(limit_s);
    if (!quit) {
        printf("{\"ready\":%ld}\n", clients);
        fflush(stdout);
    }

    begun = now_ns();
    ends = begun + (uint64_t)(seconds * 1e9);
    uint64_t number = 0, next_stop = begun + 200000000u;
    for (int i = 0; window && i < clients; i++)
        for (int k = 0; k < window; k++) command(conns[base + i], now_ns());
    for (;;) {
        uint64_t now = now_ns();
        /* A busy machine is late to send them; all are sent, and none is missing for that. */
        if (now >= ends && (!stops || stops_sent >= (uint64_t)stops || now >= ends + 10000000000u)) {
            ends = now;
            break;
        }
        uint64_t wake = now < ends ? ends : now + 100000000u;
        if (rate > 0) {
            uint64_t due;
            while ((due = begun + (uint64_t)((double)number * 1e9 / rate)) <= now)
                command(conns[base + (int)(number++ % (uint64_t)clients)], due);
            wake = due;
        }
        if (stops && stops_sent < (uint64_t)stops) {
            if (now >= next_stop) {
                stop(conns[base + (stopper ? clients : 0)]);
                next_stop = now + 50000000u + now % 7000000u; /* not in step with anything */
            }
            if (next_stop < wake) wake = next_stop;
        }
        wake_at(wake);
        turn(-1);
        for (int i = 0; window && i < clients; i++)
            for (int k = conns[base + i]->outstanding; k < window; k++) command(conns[base + i], now_ns());
    }
    uint64_t by_then = answered, patience = now_ns() + 2000000000u;
    while (now_ns() < patience && (answered + errors < sent || (toys && n_waits))) turn(50);
    double took = (double)(ends - begun) / 1e9;

    printf("{\"held\":%llu,\"sent\":%llu,\"answered\":%llu,\"errors\":%llu,\"unanswered\":%llu",
           (unsigned long long)held, (unsigned long long)sent, (unsigned long long)answered,
           (unsigned long long)errors,
           (unsigned long long)(sent - answered - errors));
    printf(",\"per_s\":%.1f,\"lists\":%llu,\"list_bytes\":%llu", (double)by_then / took,
           (unsigned long long)lists, (unsigned long long)list_bytes);
    figures("ok_us", lat, n_lat);
    printf(",\"toy_writes\":%llu", (unsigned long long)toy_writes);
    figures("toy_us", toy_lat, n_toy);
    printf(",\"stops\":%llu,\"offs\":%llu", (unsigned long long)stops_sent, (unsigned long long)offs);
    figures("off_us", stop_lat, n_off);
    figures("stop_ok_us", stop_lat + SAMPLES / 2, n_stop);
    printf(",\"stop_at_ns\":[%s]", stop_times);
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    printf(",\"own_cpu_s\":%.3f}\n",
           (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
               (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6);
    fflush(stdout);
    if (!quit) {
        struct epoll_event eof = {.events = EPOLLIN | EPOLLHUP, .data.ptr = NULL};
        epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &eof);
        char byte;
        fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        for (;;) {
            turn(200);
            ssize_t n = read(STDIN_FILENO, &byte, 1);
            if (n == 0) break;
        }
    }
    leaving = 1; /* with a goodbye: who was cut off may be waited for */
    for (int i = n_conns; i--;) frame(conns[i], 8, "\x03\xe8", 2);
    for (int i = 0; i < 10 && open_conns; i++) turn(20);
    return 0;
}
