// The worker behind clock.js: it sends back a number after so many milliseconds.
self.onmessage = ({ data: [id, ms] }) => { setTimeout(() => self.postMessage(id), ms); };
