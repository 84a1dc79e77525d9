// Each text begins at its notice, as the frames do by the end of their address; without script the links above lead there.
for (const text of document.querySelectorAll("pre")) {
  const mark = text.querySelector("mark");
  if (mark) text.scrollTop = mark.offsetTop - text.clientHeight / 3;
}
