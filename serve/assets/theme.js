// The theme that this browser was told to use; without one, that of the system. Before the page is drawn.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the page has the theme of the system.
}
