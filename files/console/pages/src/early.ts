// Runs before the page is painted: the chosen colours, so that they do not change before the reader's eyes.
try {
  const theme = localStorage.getItem("evenkeel.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage, the system's colours hold.
}
