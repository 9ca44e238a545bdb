// An API that the lines of a job are sent to. A test says how it responds.
import { once } from "node:events";
import { createServer } from "node:http";

export class Provider {
  /** `respond(path, count)` gives the status, the headers and the body of a response. */
  static async start(respond) {
    const provider = new Provider();
    provider.respond = respond;
    provider.requests = 0;
    provider.server = createServer((request, response) => {
      provider.requests += 1;
      const { status = 200, headers = {}, body = { ok: true } } = provider.respond(request.url, provider.requests) ?? {};
      const answer = () => {
        response.writeHead(status, { "content-type": "application/json", ...headers });
        response.end(typeof body === "string" ? body : JSON.stringify(body));
      };
      if (provider.delay) setTimeout(answer, provider.delay);
      else answer();
    });
    provider.server.listen(0, "127.0.0.1");
    await once(provider.server, "listening");
    provider.host = `127.0.0.1:${provider.server.address().port}`;
    return provider;
  }

  /** A job that sends each line to this provider. */
  job(limit = 'rate = "unlimited"', more = "") {
    return `[request]
url = "http://${this.host}/{{ line }}"
allow = ["127.0.0.1"]

[limits."${this.host}"]
${limit}

[output.columns]
ok = "$.ok"
${more}`;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
