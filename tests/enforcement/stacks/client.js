// Node's TLS (an OpenSSL of its own where it is not the distribution's). One process asks every target:
//   node client.js [KEY=VALUE...] HOST:PORT...
// and prints `HOST:PORT works` or `HOST:PORT fails WHY` for each. Keys are those of tls.connect.
'use strict';
const tls = require('tls');

const words = process.argv.slice(2);
const options = { rejectUnauthorized: false };
for (const word of words.filter((word) => word.includes('='))) {
  const at = word.indexOf('=');
  options[word.slice(0, at)] = word.slice(at + 1);
}

function ask(target) {
  return new Promise((resolve) => {
    const at = target.lastIndexOf(':');
    let page = '';
    const done = (why) => { socket.destroy(); resolve(why); };
    const socket = tls.connect({ ...options, host: target.slice(0, at), port: Number(target.slice(at + 1)) });
    socket.setTimeout(15000, () => done('fails timeout'));
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (data) => { page += data; if (/200 ok/i.test(page)) done('works'); });
    socket.on('error', (error) => done(`fails ${error.code}`));
    socket.on('close', () => done('fails closed'));
  });
}

(async () => {
  for (const target of words.filter((word) => !word.includes('='))) {
    console.log(target, await ask(target));
  }
})();
