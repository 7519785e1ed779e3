(function () {
  var toggle = document.getElementById("toggle-marks");
  toggle.addEventListener("click", function () {
    var hidden = document.body.classList.toggle("no-marks");
    toggle.setAttribute("aria-pressed", String(!hidden));
  });
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.prototype.slice.call(table.tBodies[0].rows).sort(function (a, b) {
          var x = a.cells[column].dataset.value, y = b.cells[column].dataset.value;
          var order = isNaN(x) || isNaN(y) ? x.localeCompare(y, "ja", { numeric: true }) : x - y;
          return down ? -order : order;
        }).forEach(function (row) { table.tBodies[0].appendChild(row); });
      });
    });
  });
  document.querySelectorAll("[data-for]").forEach(function (row) {
    var group = document.querySelector('[data-crack="' + row.dataset.for + '"]');
    if (!group) { return; }
    var others = Array.prototype.slice.call(group.parentNode.children);
    function light(on) {
      others.forEach(function (other) { other.classList.toggle("dim", on && other !== group); });
      group.classList.toggle("lit", on);
    }
    row.addEventListener("mouseenter", function () { light(true); });
    row.addEventListener("mouseleave", function () { light(false); });
  });
}());
