// A client of the hub's HTTP API in one file, for Node 20 and for browsers: copy it and change it.
// A page of another site has to be allowed first (Setup → web pages, or `clients.origins`), and
// needs a token on the hub's own machine too. Every shape stands in docs/openapi.json.

export interface OutputRange {
  range: [number, number];
  duration_ms: [number, number] | null;
}

export interface Device {
  index: number;
  shown_name: string;
  source: string;
  features: { index: number; description: string; outputs: Record<string, OutputRange> }[];
}

// What the state may tell; null: the entry is gone.
export interface Change {
  whole?: boolean;
  devices?: Record<string, Device | null>;
  hold?: { mode: string; by: string | null };
  up_s?: number;
}

// The hub said no. 401: the token; 404: no such thing; 409: a person has stopped everything.
export class HubError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export class Hub {
  constructor(readonly url: string, private readonly token: string) {}

  devices(): Promise<Device[]> {
    return this.call<Device[]>('GET', '/devices');
  }

  scan(seconds: number): Promise<void> {
    return this.call<void>('POST', '/scan', { for_s: seconds });
  }

  // A value ends by itself after `forMs` (60,000 at most): say it again before, to go on.
  async drive(device: number, type: string, percent: number, forMs = 2000): Promise<void> {
    await this.call('PUT', `/devices/${device}/outputs`, { type, percent, for_ms: forMs });
  }

  // Without a device, everything is stopped, and with the owner's token stays so until it is resumed.
  async stop(device?: number): Promise<void> {
    await this.call('POST', '/stop', device === undefined ? {} : { device });
  }

  // The whole state first, then what is different; ends when the hub does.
  async *events(signal?: AbortSignal): AsyncGenerator<Change> {
    const answer = await this.fetch('GET', '/events/stream', undefined, signal);
    if (answer.body === null) return;
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    try {
      while (true) {
        const { done, value } = await lines.read();
        if (done) return;
        text += value;
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) yield JSON.parse(event.replace(/^data: /, '')) as Change;
      }
    } finally {
      await lines.cancel();
    }
  }

  private async call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.fetch(method, path, body, AbortSignal.timeout(10_000));
    const text = await answer.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  private async fetch(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (answer.ok) return answer;
    const said = (await answer.json().catch(() => null)) as { error?: string } | null;
    throw new HubError(answer.status, said?.error ?? `The hub refused (${answer.status}).`);
  }
}
