import { render } from "preact";
import { App } from "./app";
import { start } from "./live";
import { takeToken } from "./route";
import { applyTheme } from "./theme";

takeToken();
applyTheme();
start();
const root = document.getElementById("app");
if (root) render(<App />, root);
