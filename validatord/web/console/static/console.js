// The console's own script. Every page can be read, and every list be sent in, without it.
"use strict";

// Times stand in the page in UTC; here they become the reader's own.
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const instant = new Date(element.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    element.title = exact.format(instant);
    if (!element.dataset.relative) element.textContent = clock.format(instant);
  }
}

// A part of a page that follows the server: what it sends was rendered, and escaped, there.
function follow(root) {
  for (const element of root.querySelectorAll("[data-events]")) {
    if (element.dataset.followed) continue;
    element.dataset.followed = "yes";
    const source = new EventSource(element.dataset.events);
    source.addEventListener("progress", (event) => {
      element.innerHTML = event.data;
      localise(element);
    });
    source.addEventListener("finished", () => {
      source.close();
      window.location.reload();
    });
  }
}

// A list may be dropped onto the form.
function takeDrops(root) {
  for (const zone of root.querySelectorAll(".drop")) {
    const input = zone.querySelector("input[type=file]");
    const mark = (event) => {
      event.preventDefault();
      zone.classList.toggle("over", event.type === "dragover");
    };
    for (const kind of ["dragover", "dragleave", "drop"]) zone.addEventListener(kind, mark);
    zone.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
}

function prepare(root) {
  localise(root);
  follow(root);
  takeDrops(root);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
  button.textContent = "Copied";
});

// "/" leads to the look-up, as in many other tools.
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  const field = document.getElementById("seek");
  if (event.key !== "/" || isTyping || !field || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.querySelector(".rail details")?.setAttribute("open", "");
  field.focus();
});

document.addEventListener("DOMContentLoaded", () => prepare(document));
document.addEventListener("htmx:afterSwap", (event) => prepare(event.target.parentElement ?? document));

// Parts that tell the present are asked for again while somebody looks.
setInterval(() => {
  const isTyping = document.activeElement?.closest("form:not(.seek)");
  if (document.visibilityState === "visible" && !isTyping) htmx.trigger(document.body, "tick");
}, 5000);
