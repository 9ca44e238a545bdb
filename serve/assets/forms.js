// What makes forms easier: dropping a file, a check while somebody writes, and the choice of a theme. All forms work without it.
"use strict";

for (const form of document.querySelectorAll("form.drop")) {
  const input = form.querySelector("input[type=file]");
  const over = (is) => form.classList.toggle("over", is);
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  form.addEventListener("dragleave", () => over(false));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    form.querySelector("button").textContent = `Uploading ${input.files[0]?.name ?? ""} …`;
  });
}

for (const form of document.querySelectorAll("form.editor")) {
  const text = form.elements.text;
  const said = form.querySelector("p.said");
  let timer = null;
  let number = 0;
  const check = async () => {
    const own = ++number;
    const response = await fetch(form.dataset.check, { method: "POST", body: text.value }).catch(() => null);
    const answer = response && (await response.json().catch(() => null));
    // An answer to an earlier text says nothing of this one.
    if (!answer || own !== number) return;
    const words = document.createElement("span");
    words.className = answer.ok ? "status succeeded" : "problem";
    words.textContent = answer.ok ? "The job file is valid." : answer.message;
    said.replaceChildren(words);
  };
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  });
  // A tab is written; Escape first leaves the text area by tab, for whoever uses the keyboard alone.
  let leaves = false;
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaves = true;
    else if (event.key !== "Tab") leaves = false;
    else if (!leaves && !event.shiftKey) {
      event.preventDefault();
      text.setRangeText("  ", text.selectionStart, text.selectionEnd, "end");
    }
  });
}

const theme = document.querySelector("#theme");
if (theme) {
  theme.closest("label").hidden = false;
  theme.value = document.documentElement.dataset.theme ?? "";
  theme.addEventListener("change", () => {
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
    try {
      if (theme.value) localStorage.setItem("theme", theme.value);
      else localStorage.removeItem("theme");
    } catch {
      // The choice then lasts as long as the page.
    }
  });
}
