// node drive.js http://127.0.0.1:12346 TOKEN: drives whatever vibrates for a second, then stops it.

import { Hub } from './hub.js';

declare const process: { argv: string[] };

const [url = 'http://127.0.0.1:12346', token = ''] = process.argv.slice(2);
const hub = new Hub(url, token);

await hub.scan(5);
for await (const change of hub.events()) {
  if (Object.values(change.devices ?? {}).some(device => device !== null)) break;
}
for (const device of await hub.devices()) {
  const types = new Set(device.features.flatMap(feature => Object.keys(feature.outputs)));
  console.log(device.shown_name, ...types);
  if (!types.has('Vibrate')) continue;
  await hub.drive(device.index, 'Vibrate', 50);
  await new Promise(done => setTimeout(done, 1000));
  await hub.stop(device.index);
}
