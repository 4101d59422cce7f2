// The API of buttplug 0.13: a method per message, in the spelling of its time.

export function adapt(Buttplug) {
  const client = new Buttplug.ButtplugClient('official JavaScript, spec 1');
  const named = (name) => client.Devices.find((device) => device.Name === name);
  let lost = false;
  client.addListener('disconnect', () => { lost = true; });

  function output(name, type, { share, steps, duration }) {
    const device = named(name);
    if (type === 'HwPositionWithDuration') return device.SendLinearCmd(share, duration);
    if (type === 'Rotate') return device.SendRotateCmd(share, steps >= 0);
    return device.SendVibrateCmd(share);
  }

  return {
    connect: (url) => client.Connect(new Buttplug.ButtplugBrowserWebsocketClientConnector(url)),
    startScanning: () => client.StartScanning(),
    stopScanning: () => client.StopScanning(),
    names: () => client.Devices.map((device) => device.Name),
    output,
    stop: (name) => named(name).SendStopDeviceCmd(),
    stopAll: () => client.StopAllDevices(),
    disconnect: () => client.Disconnect(),
    lost: () => lost,
    connected: () => client.Connected,
  };
}
