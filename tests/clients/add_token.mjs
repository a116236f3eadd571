// A reverse proxy on loopback that adds the bearer token from COFFERDAM_TOKEN
// to each request and changes nothing else: the conformance suite cannot send
// one itself. Prints its port and ends with its standard input.
//
// usage: node add_token.mjs MCP_URL
import http from "node:http";

const target = new URL(process.argv[2]);
const authorization = `Bearer ${process.env.COFFERDAM_TOKEN}`;

const proxy = http.createServer((request, response) => {
  const onward = http.request(
    {
      host: target.hostname,
      port: target.port,
      path: request.url,
      method: request.method,
      headers: { ...request.headers, authorization },
      setHost: false,
    },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
});

proxy.listen(0, "127.0.0.1", () => console.log(proxy.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
