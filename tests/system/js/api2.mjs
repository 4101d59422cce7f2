// The API of buttplug 1.x, whose core is the Rust client of its time, compiled for browsers.

export async function adapt(Buttplug) {
  await Buttplug.buttplugInit();
  const client = new Buttplug.ButtplugClient('official JavaScript, spec 2');
  const named = (name) => client.Devices.find((device) => device.Name === name);
  let lost = false;
  client.addListener('serverdisconnect', () => { lost = true; });

  function output(name, type, { share, steps, duration }) {
    const device = named(name);
    if (type === 'HwPositionWithDuration') return device.linear(share, duration);
    if (type === 'Rotate') return device.rotate(share, steps >= 0);
    return device.vibrate(share);
  }

  return {
    connect: (url) => client.connect(new Buttplug.ButtplugWebsocketConnectorOptions(url)),
    startScanning: () => client.startScanning(),
    stopScanning: () => client.stopScanning(),
    names: () => client.Devices.map((device) => device.Name),
    output,
    battery: (name) => named(name).batteryLevel(),
    stop: (name) => named(name).stop(),
    stopAll: () => client.stopAllDevices(),
    disconnect: () => client.disconnect(),
    lost: () => lost,
    connected: () => client.Connected,
  };
}
