// A server for the tests in WebAssembly: a chat response, a chat stream, a refusal that passes, and silence.
import http from 'node:http';

let refusals = 1;
const answers = {
  '/value/chat/completions': (response) => {
    if (refusals-- > 0) {
      response.writeHead(503, { 'content-type': 'application/json' });
      return response.end('{"error":{"code":503,"message":"busy"}}');
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{"id":"gen-1","model":"m","object":"chat.completion","created":1,"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}]}');
  },
  '/stream/chat/completions': (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const text of ['he', 'llo']) {
      response.write(`data: {"id":"gen-1","model":"m","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"finish_reason":null,"delta":{"role":"assistant","content":"${text}"}}]}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  },
  '/silence/chat/completions': () => {},
};
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.headers.authorization !== 'Bearer sk-or-v1-secret') {
      response.writeHead(401);
      return response.end();
    }
    (answers[request.url] ?? (() => { response.writeHead(404); response.end(); }))(response);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
