// What this page says, in one place.

export const CARDS = {
  start: ['Ready?', ['Somebody shares a toy with you.', 'Start opens the connection. From then on this link works in this browser only.']],
  again: ['Welcome back', ['This browser has a share already. Start opens the connection.']],
  none: ['No share here', ['Open the link that you were sent, the whole of it. It ends in letters and numbers after a #.']],
  broken: ['The link is not whole', ['Copy it again, from the first letter to the last, or ask for it once more.']],
  inside: ['Open this in your browser', [
    'You see this page inside another app. It may forget the link as soon as it is closed, and a link works in one browser only.']],
  insecure: ['This page cannot be used here', ['It has to come by https. Ask for a link that begins with https://.']],
  old: ['This browser is too old', [
    'It cannot make the kind of key that keeps this connection private (X25519). Update it: Chrome 133, Firefox 130, Safari 17 and newer can.']],
  forgetful: ['This browser keeps nothing', [
    'It does not let this page keep a key, so the link would be lost when the page is closed. Leave private browsing, allow this site to keep data, or use another browser.']],
  asked: ['Waiting to be allowed', ['The owner sees that you are here, and lets you in once. Keep this page open.']],
  dialing: ['Connecting…', []],
  waiting: ['Not connected', []],
};

export const PROBLEMS = {
  unreachable: 'The other side cannot be reached. Trying again by itself.',
  silent: 'The other side does not answer. Trying again by itself.',
  busy: 'The other side has too many connections just now. Trying again by itself.',
  mixed: 'This browser does not let the page call that address. Ask for a link by a meeting point.',
};

// What is over, and what to do: title, text.
export const OVERS = {
  ended: ['This share has ended', 'It was ended, or it has another link now. Ask for a new one.'],
  expired: ['The time is over', 'This share was for a while only. Ask for more.'],
  renewed: ['There is a new link', 'This one ends here. Ask for the new one.'],
  refused: ['You are not allowed in', 'Your part in this share was ended, or not allowed.'],
  passed: ['This link is taken', 'It was opened in another browser before, and works there only. Ask for a link of your own.'],
  elsewhere: ['Open in another tab', 'This share is driven from another tab of this browser now.'],
  unknown: ['This link is not known', 'It has ended, or it is not whole. Ask for a new one.'],
  'wrong-hub': ['Somebody else answers', 'This is not the hub that shared with you, so nothing was sent to it. Ask for a new link.'],
  version: ['Too old or too new', 'This page and the hub are of different versions. Load the page again; if that does not help, the hub needs an update.'],
};

export const KINDS = {
  Vibrate: 'Vibration', Rotate: 'Rotation', Oscillate: 'Strokes', Constrict: 'Squeeze', Temperature: 'Warmth', Led: 'Light',
  Spray: 'Spray', Position: 'Position', HwPositionWithDuration: 'Position',
};

export const STOPPED = 'Everything that you drove was stopped.';
export const SILENT = 'The other side is silent. What you drove stops by itself.';
export const HIDDEN = 'Stopped, because this page was hidden.';
export const gone = names => `${names.join(', ')} went away.`;

// How long a share still is, for a person: nobody needs seconds of an hour.
export function left(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  if (s < 60) return `${s} s left`;
  const minutes = Math.ceil(s / 60);
  if (minutes < 60) return `${minutes} min left`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return rest ? `${hours} h ${rest} min left` : `${hours} h left`;
  return `${Math.floor(hours / 24)} days left`;
}
