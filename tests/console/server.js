// A real server in a folder of its own, and clients of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import aws4 from "aws4";

export const BINARY =
  process.env.THROUGHLINE ?? fileURLToPath(new URL("../../target/debug/throughline", import.meta.url));

/** The longest wait for anything. */
export const DEADLINE = 60_000;

export class Server {
  /** Starts a server whose jobs may reach loopback. `settings` are further lines of its settings. */
  static async start(settings = "") {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "console-"));
    await writeFile(join(server.folder, "serve.toml"), `allow = ["127.0.0.1"]\n${settings}`);
    await server.#spawn("127.0.0.1:0", "127.0.0.1:0");
    return server;
  }

  async #spawn(api, console) {
    const args = ["serve", "--config", "serve.toml", "--api", api, "--console", console];
    this.process = spawn(BINARY, args, { cwd: this.folder, stdio: ["ignore", "pipe", "inherit"] });
    this.exited = once(this.process, "exit");
    const lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    const next = async (pattern) => {
      const { value, done } = await lines.next();
      const found = done ? null : pattern.exec(value);
      if (!found) throw new Error(`the server said ${JSON.stringify(value)}`);
      return found[1];
    };
    this.api = await next(/at http:\/\/([^,]+),/);
    this.link = await next(/once: (http:\S+)/);
    this.origin = new URL(this.link).origin;
    // What it prints later must not fill the pipe.
    (async () => { for await (const _ of lines); })();
    const keys = await readFile(join(this.folder, ".throughline/.serve/keys.toml"), "utf8");
    this.key = { accessKeyId: /id = "([^"]+)"/.exec(keys)[1], secretAccessKey: /secret = "([^"]+)"/.exec(keys)[1] };
  }

  /** Kills it (SIGKILL), and starts another one in the same folder with the same ports. */
  async killAndStartAgain() {
    await this.kill();
    await this.#spawn(this.api, new URL(this.origin).host);
  }

  async kill() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGKILL");
    await this.exited;
  }

  async stop() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Does an operation of the Step Functions API. */
  async call(operation, input) {
    const body = JSON.stringify(input);
    const request = aws4.sign({
      host: this.api, path: "/", method: "POST", service: "states", region: "us-east-1", body,
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AWSStepFunctions.${operation}` },
    }, this.key);
    const response = await fetch(`http://${this.api}/`, { method: "POST", headers: request.headers, body });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${operation}: ${JSON.stringify(answer)}`);
    return answer;
  }

  machine(name, definition) {
    return this.call("CreateStateMachine", {
      name, definition: JSON.stringify(definition), roleArn: "arn:aws:iam::000000000000:role/any",
    });
  }

  /** Does a request to the REST API. */
  rest(method, path, body) {
    const authorization = `Bearer ${this.key.accessKeyId}:${this.key.secretAccessKey}`;
    return fetch(`${this.origin}/api/v1${path}`, { method, body, headers: { authorization } });
  }

  async putJob(name, text) {
    const response = await this.rest("PUT", `/jobs/${name}`, text);
    if (!response.ok) throw new Error(await response.text());
  }

  /** Uploads a file, and returns the name of its run. */
  async run(job, file, content) {
    const response = await this.rest("POST", `/jobs/${job}/runs?file=${file}`, content);
    const answer = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer.run;
  }
}
