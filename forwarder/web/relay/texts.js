// What the page says, in one place: plain functions from what is to words.

import { placeName } from './places.js';

const PAIR_AGAIN = 'Start forwarder pair on the computer again, or choose Pair a phone on its dashboard, and scan the new QR code.';

// Idle hubs speak every 2.5 s; what is late by more than this (s) is said.
const SILENT_S = 3.5;

// The line under the hub's name. `silentS`: since when the hub has said nothing.
export function linkLine({ phase, place, roundTripMs }, seconds, { paused, stopped, away }, silentS) {
  switch (phase) {
    case 'open': {
      if (silentS > SILENT_S) return `The hub has been silent for ${Math.floor(silentS)} s`;
      const trip = roundTripMs === null ? '' : ` · ${Math.max(1, Math.round(roundTripMs))} ms`;
      const state = stopped ? 'Stopped' : paused || away ? 'Paused' : 'Connected';
      return `${state}${trip}`;
    }
    case 'dialing': return place ? `Connecting to ${placeName(place)}…` : 'Connecting…';
    case 'waiting': return seconds > 1 ? `Not connected · trying again in ${seconds} s` : 'Not connected · trying again';
    case 'refused': return 'Not connected';
    default: return 'Not connected to a hub';
  }
}

// The box at the top for a link that does not work, or null. `hub`: what to call the hub.
export function linkNotice({ phase, problem, text, place }, { hub, pairing, online, localNetwork, ownHub }) {
  if (phase !== 'waiting' && phase !== 'refused') return null;
  const where = place ? placeName(place) : 'it';
  switch (problem) {
    case 'unreachable':
      if (!online) return bad('This phone is offline', 'Switch Wi-Fi on. The page goes on by itself.', 'retry');
      if (localNetwork === 'denied') {
        return bad('Chrome does not let this page reach your network',
          'Tap the icon left of the address, open Permissions, and allow Local network. Then try again.', 'retry');
      }
      return {
        ...bad(`${hub} cannot be reached`,
          `Is the hub running, and is this phone on the same network? The page looks for it at ${where} and goes on by itself.${ownHub ? ' A hub that was set up anew has another certificate, which Chrome asks you about when you load this page again.' : ''}`, 'retry'),
        other: ownHub ? 'reload' : null,
      };
    case 'mixed':
      return bad(`Chrome does not let this page call ${where}`,
        'A page from a website may call private addresses only. Use the page that the hub itself shows at its https address.', 'retry');
    case 'silent':
      return bad(`${hub} does not answer`, 'Is the computer asleep, or the network weak? The page goes on by itself.', 'retry');
    case 'busy':
      return bad(`${hub} is busy`, 'It greets only so many at once. The page goes on by itself.', 'retry');
    case 'version':
      return bad('Hub and page do not fit together', 'They speak different versions. Update the hub, then load this page again.', 'reload');
    case 'code-spent':
      return bad('This QR code does not work any more', `A code works once, and for two minutes. ${PAIR_AGAIN}`, pairing ? 'back' : null);
    case 'wrong-code':
      return bad('This QR code is not right', `It was cut short, or it belongs to another hub. ${PAIR_AGAIN}`, pairing ? 'back' : null);
    case 'wrong-hub':
      return bad(`What answers is not ${hub}`,
        `Something else is at ${where} now, or the hub was reset. If you replaced it, forget it below and pair again. Until then the page keeps looking.`, 'retry');
    case 'revoked':
      return bad(`${hub} does not let this phone in`,
        text && text !== 'revoked by the hub' ? `It says: ${text}` : `This phone was removed there. To use it again, ${PAIR_AGAIN[0].toLowerCase()}${PAIR_AGAIN.slice(1)}`, 'retry');
    default:
      return bad('Hub and page do not understand each other', 'Load this page again. If that does not help, update the hub.', 'reload');
  }
}

// The box for the wearer's own pause and stop, or null.
export function wearerNotice({ paused, stopped, away }, failing) {
  if (failing) {
    return { ...bad('A toy does not take the stop', 'Switch it off by hand now. The page goes on trying.', null), urgent: true };
  }
  if (stopped) return { tone: 'calm', title: 'Everything is stopped', text: 'Nothing moves until you tap Resume, whatever an app asks for.', action: null };
  if (paused) return { tone: 'calm', title: 'Paused', text: 'Apps stay connected, but nothing moves until you tap Resume.', action: null };
  if (away) return { tone: 'calm', title: 'Paused while you are away', text: 'It goes on when this page is in front again.', action: null };
  return null;
}

// The box for toys that may be running and are not connected, or null.
export function owedNotice(toys, radioOn) {
  // One that has to be chosen again comes first: nobody else can do that.
  const toy = toys.find(one => !one.device) ?? toys[0];
  if (!toy) return null;
  const seek = radioOn && !toy.device;
  const others = toys.filter(one => one !== toy).map(one => one.shown || 'another toy');
  const also = others.length ? ` The same goes for ${others.join(', ')}.` : '';
  const how = !radioOn ? 'There is no Bluetooth: switch it on, and the page can stop it.' : toy.device
    ? 'The page looks for it, and stops it when it finds it.'
    : 'Or hold it near, tap Find it, and choose it: then it is stopped first.';
  return {
    ...bad(`${toy.shown || 'A toy'} may still be running`, `If it runs, switch it off by hand. ${how}${also}`, seek ? 'find' : 'seen'),
    urgent: true, other: seek ? 'seen' : null, toy,
  };
}

export const FIND_HINT = 'Not in the list? Then it is off, out of reach, or in use by another phone.';
export const NOT_IT = 'That is another toy.';

export const FORGETFUL = bad('This browser keeps nothing any more',
  'Stop and Pause hold, but not when this page is loaded again, and a toy that runs then is not named. Allow site data for this page, and load it again when no toy runs.');

export const NEWER = {
  tone: 'calm', title: 'There is a newer page', text: 'The hub was updated. Nothing runs just now: load this page again to use the page that fits it.', action: 'reload',
};

export const TAKING = 'Waiting until the other tab has stopped its toys…';
export const GOING = 'Stopping every toy, and letting it go…';

export const RADIO_OFF = bad('There is no Bluetooth', 'Switch Bluetooth on in the settings, and allow Chrome to find nearby devices. The page goes on by itself.');

export const ELSEWHERE = {
  tone: 'calm', title: 'Open in another tab', text: 'This phone\'s relay runs in another tab or window. Only one can be the radio.', action: 'takeover',
};

// Where this page comes from, if not from the person's own hub.
export const SERVED_BY = (host, who) => `This page comes from ${host}, served by ${who}, who could change it. What it says to your hub is encrypted, and passes there unread.`;

export const RELOADED = {
  tone: 'calm', title: 'Bluetooth had got stuck', text: 'Chrome did not answer any more, so this page loaded itself again. If a toy is still running, switch it off by hand.', action: null,
};

// Why this browser cannot be a relay at all, and what to do.
export function unsupported(reason) {
  switch (reason) {
    case 'insecure':
      return bad('This address is not secure enough', 'Browsers give Bluetooth to https pages only. Open the https address that forwarder pair shows; on its warning choose Advanced, then Proceed.');
    case 'ios':
      return bad('iPhones and iPads cannot do this', 'No browser there lets a page use Bluetooth. Use an Android phone, or a computer with relay run.');
    case 'old':
      return bad('This browser is too old', 'Update it: Chrome 133 or newer has what the encryption needs.');
    case 'storage':
      return bad('This browser keeps nothing', 'The page needs to store its key. Leave the private window, or allow site data for this page.');
    case 'silent':
      return bad('This browser\'s storage does not answer', 'The page needs its key. Close every tab of this page and open it once. If that does not help, restart Chrome.', 'reload');
    case 'blocked':
      return bad('An older page is in the way', 'Another tab shows this relay as it was before an update. Close that tab, then load this page again.', 'reload');
    case 'broken':
      return bad('This page could not start', 'Load it again. If that does not help, update Chrome and the hub.', 'reload');
    default:
      return bad('This browser has no Bluetooth for pages', 'Open this address in Chrome or Edge on Android. In Brave, allow Web Bluetooth at brave://flags. On Linux, start Chrome with --enable-features=WebBluetooth.');
  }
}

// One line about a toy. `driven`: what the hub says about it, or null.
export function toyLine(toy, driven, { open, wearer }) {
  const { peripheral } = toy;
  if (toy.owed && !peripheral) {
    return toy.device ? 'May still be running. The page looks for it.' : 'May still be running. Chrome wants you to choose it again: tap Find it.';
  }
  switch (toy.phase) {
    case 'ready': {
      if (peripheral.stopFailing) return 'Does not take the stop: switch it off by hand';
      if (peripheral.leaving) return 'Being stopped and let go';
      const who = driven?.clients.length ? driven.clients.join(', ') : '';
      if (wearer.stopped) return 'Stopped by you';
      if (wearer.paused || wearer.away) return 'Paused by you';
      if (driven?.level > 0) return `${who || 'An app'} drives it at ${Math.round(driven.level * 100)} %`;
      if (peripheral.running) return who ? `${who} drives it` : 'Running';
      if (!open) return 'Stopped, connected, waiting for the hub';
      return who ? `Ready · ${who} is using it` : 'Ready';
    }
    case 'connecting': return 'Connecting…';
    case 'lost': return `Not there: ${toy.text}. It comes back by itself when it can.`;
    case 'failed': return `Cannot be used: ${toy.text}`;
    case 'forgotten': return 'Chrome wants you to choose it again: tap Add a toy.';
    default:
      if (wearer.stopped) return 'Not connected. It comes back when you tap Resume.';
      return open ? 'Offered to the hub. If nothing happens, let your app scan for devices.' : 'Waiting for the hub';
  }
}

export function chooserProblem(error) {
  switch (error.code) {
    case 'not_found': return 'This phone has no Bluetooth that the page could use. Switch Bluetooth on, and allow Chrome to find nearby devices.';
    case 'unsupported': return `Chrome refused: ${error.message}`;
    default: return `That did not work: ${error.message}`;
  }
}

export const ADD_HINT = 'Not in the list? Switch the toy on, hold it near, and close its own app on every phone: a toy talks to one at a time.';

export const BAD_LINK = 'This is not a pairing link. Copy the whole line that starts with bpforward:// or https://';

function bad(title, text, action = null) {
  return { tone: 'bad', title, text, action };
}
