"use strict";
// Shows only the sentences that match the filter. Without scripts, all are shown.
(() => {
  const filter = document.getElementById("filter");
  const [text, type, kind] = ["text", "type", "kind"].map(name => filter.elements[name]);
  const sentences = [...document.querySelectorAll("article")].map(article => ({
    article,
    // "kind:type" of each entity; types are numbers.
    marks: (article.dataset.marks || "").split(" ").filter(Boolean).map(mark => mark.split(":")),
    text: [...article.querySelectorAll(".source, bdi")].map(line => line.textContent).join("\n").toLowerCase(),
  }));
  const isOf = ([found]) => kind.value === "" || found === kind.value || (kind.value === "wrong" && found !== "correct");
  const isShown = sentence => {
    const marks = sentence.marks.filter(mark => type.value === "" || mark[1] === type.value);
    const fits = kind.value === "right" ? marks.every(mark => mark[0] === "correct") : marks.some(isOf);
    const any = type.value === "" && kind.value === "";
    return (any || (fits && (type.value === "" || marks.length > 0))) && sentence.text.includes(text.value.toLowerCase());
  };
  const update = () => {
    let shown = 0;
    for (const sentence of sentences) {
      const visible = isShown(sentence);
      sentence.article.hidden = !visible;
      shown += visible;
    }
    filter.querySelector("output").value = `${shown.toLocaleString("en")} shown`;
  };
  filter.addEventListener("submit", event => event.preventDefault());
  filter.addEventListener("input", update);
  filter.addEventListener("reset", () => setTimeout(update));
  filter.hidden = false;
  update();  // browsers restore the fields when a page is reloaded
})();
