// The API of buttplug 3.x: scalars by actuator, rotation with a direction, linear with a duration.

export function adapt(Buttplug, Connector) {
  const client = new Buttplug.ButtplugClient('official JavaScript, spec 3');
  const named = (name) => client.devices.find((device) => device.name === name);
  let lost = false;
  client.on('disconnect', () => { lost = true; });

  function output(name, type, { share, steps, duration }) {
    const device = named(name);
    if (type === 'HwPositionWithDuration') return device.linear(share, duration);
    if (type === 'Rotate') return device.rotate(share, steps >= 0);
    if (type === 'Vibrate') return device.vibrate(share);
    if (type === 'Oscillate') return device.oscillate(share);
    const scalars = device.messageAttributes.ScalarCmd.filter((one) => one.ActuatorType === type);
    return device.scalar(
      scalars.map((one) => new Buttplug.ScalarSubcommand(one.Index, share, type)),
    );
  }

  return {
    connect: (url) => client.connect(new Connector(url)),
    startScanning: () => client.startScanning(),
    stopScanning: () => client.stopScanning(),
    names: () => client.devices.map((device) => device.name),
    output,
    battery: (name) => named(name).battery(),
    stop: (name) => named(name).stop(),
    stopAll: () => client.stopAllDevices(),
    disconnect: () => client.disconnect(),
    lost: () => lost,
    connected: () => client.connected,
  };
}
