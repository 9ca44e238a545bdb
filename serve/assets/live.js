// Keeps a page up to date by one stream of events, and shows times relative to now. Pages are complete without it.
"use strict";

const main = document.querySelector("main");
const connection = document.querySelector("#connection");
let source = null;

function open() {
  if (source || !main.dataset.live) return;
  source = new EventSource(main.dataset.live);
  source.addEventListener("open", () => say(""));
  // A page that has other parts now, such as that of a run which has ended, is fetched whole.
  source.addEventListener("parts", async (event) => {
    const own = [...main.querySelectorAll("section")].map((section) => section.id);
    if (own.join() === JSON.parse(event.data).join()) return;
    const response = await fetch(location.href).catch(() => null);
    if (!response?.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    Idiomorph.morph(main, page.querySelector("main").innerHTML, { morphStyle: "innerHTML", ignoreActiveValue: true });
    showTimes();
  });
  source.addEventListener("part", (event) => {
    const part = JSON.parse(event.data);
    const section = document.getElementById(part.id);
    if (!section) return;
    // A disclosure that the reader has opened stays open.
    Idiomorph.morph(section, part.html, {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") },
    });
    showTimes();
  });
  source.addEventListener("error", () => {
    say("Connection lost. Trying again …");
    // The browser tries again by itself unless the server has refused the stream.
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      setTimeout(open, 2000);
    }
  });
}

function close() {
  if (source) source.close();
  source = null;
}

function say(words) {
  if (connection.textContent !== words) connection.textContent = words;
}

// A browser has six connections to a server, and a page that nobody sees needs none.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function showTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS[3];
    // A time of day is what matters of a time to wait for.
    const clock = time.classList.contains("clock") && Math.abs(seconds) < 20 * 3600;
    const words = clock
      ? new Date(time.dateTime).toLocaleTimeString("en-GB")
      : Math.abs(seconds) < 5 ? "just now" : relative.format(Math.trunc(seconds / size), unit);
    if (time.textContent !== words) time.textContent = words;
    time.title = time.dateTime;
  }
}

open();
showTimes();
setInterval(showTimes, 1000);
