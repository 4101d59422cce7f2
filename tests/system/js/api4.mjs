// The API of buttplug 4.x and 5.x: outputs are commands, a share of the range or the device's own
// steps; devices are a Map.

export function adapt(Buttplug, Connector) {
  const client = new Buttplug.ButtplugClient('official JavaScript, spec 4');
  const named = (name) => [...client.devices.values()].find((device) => device.name === name);
  let lost = false;
  client.on('disconnect', () => { lost = true; });

  function output(name, type, { share, steps, duration }) {
    const kind = Buttplug.DeviceOutput[type];
    // Releases differ in what a share of a range in both directions means; steps are clear.
    const by = type === 'Rotate' ? kind.steps(steps) : kind.percent(share, duration);
    return named(name).runOutput(by);
  }

  return {
    connect: (url) => client.connect(new Connector(url)),
    startScanning: () => client.startScanning(),
    stopScanning: () => client.stopScanning(),
    names: () => [...client.devices.values()].map((device) => device.name),
    output,
    battery: async (name) => (await named(name).battery()) / 100,
    stop: (name) => named(name).stop(),
    stopAll: () => client.stopAllDevices(),
    disconnect: () => client.disconnect(),
    lost: () => lost,
    connected: () => client.connected,
  };
}
