// Runs an official client in Node. On standard input one call per line, {"id", "method", "args"};
// on standard output one answer per line, {"id", "value"} or {"id", "error"}.
//
//   node node_host.mjs ADAPTER PACKAGE

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// The client logs there; standard output is for answers only.
console.log = console.error;

const [adapterFile, packageFolder] = process.argv.slice(2);
const Buttplug = createRequire(packageFolder + '/')(packageFolder);
const { adapt } = await import(pathToFileURL(adapterFile));
const client = adapt(Buttplug, Buttplug.ButtplugNodeWebsocketClientConnector);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, args } = JSON.parse(line);
  const answer = { id };
  try {
    answer.value = (await client[method](...args)) ?? null;
  } catch (error) {
    answer.error = String(error?.message ?? error);
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
process.exit(0);
