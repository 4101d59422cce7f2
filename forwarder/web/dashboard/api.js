// The hub's HTTP API, and this page's right to use it. The token stands in the page if it was loaded
// on the hub's own machine; else the person brings one, kept until the tab is closed.

const KEPT = 'forwarder-token';
const given = document.querySelector('meta[name=token]').content;

export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

export const atHome = given !== '';
export const token = () => given || sessionStorage.getItem(KEPT) || '';
export const keepToken = value => sessionStorage.setItem(KEPT, value);
export const forgetToken = () => sessionStorage.removeItem(KEPT);

// Call the API; resolves to the decoded answer, or null. Throws Refused with words for people.
export async function call(method, path, body, more = {}) {
  let answer;
  try {
    answer = await fetch(`api/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token()}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
      ...more,
    });
  } catch {
    throw new Refused(0, 'The hub cannot be reached.');
  }
  const data = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, data?.error ?? `The hub refused (${answer.status}).`);
  return data;
}
