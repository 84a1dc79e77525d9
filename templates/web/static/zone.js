// Chooses the time zone that the browser says it is in; without script the publication's stays chosen.
(function () {
  var field = document.getElementById("timezone"), zone;
  try { zone = Intl.DateTimeFormat().resolvedOptions().timeZone; } catch (error) { return; }
  if (!field || !zone || field.options[field.selectedIndex].defaultSelected === false) return;
  var option = Array.prototype.filter.call(field.options, function (one) { return one.value === zone; })[0];
  if (!option) {
    option = new Option(zone.replace(/_/g, " "), zone);
    field.appendChild(option);
  }
  option.selected = true;
})();
