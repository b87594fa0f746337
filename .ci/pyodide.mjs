// Runs `everywhere.py` in Pyodide, which is Python in WebAssembly, with wheels instead of a network.
//
//     npm install --prefix FOLDER pyodide
//     node .ci/pyodide.mjs FOLDER WHEEL...
//
// The wheels are ours and those of pure Python that Pyodide does not bring along. Before that, whether a page could
// install ours: each package that it needs there is among the wheels or in Pyodide's own distribution.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...wheels] = process.argv.slice(2);
const home = join(folder, "node_modules", "pyodide");
const { loadPyodide } = await import(pathToFileURL(join(home, "pyodide.mjs")));
const pyodide = await loadPyodide();
for (const wheel of wheels) pyodide.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel");

const distribution = JSON.parse(readFileSync(join(home, "pyodide-lock.json"), "utf8")).packages;
const versions = Object.fromEntries(Object.values(distribution).map(({ name, version }) => [name, version]));
pyodide.globals.set("in_pyodide", pyodide.toPy(versions));
const run = (program) => {
    try {
        pyodide.runPython(program);
    } catch (error) {
        console.error(error.message); // the traceback; Node would print the line of JavaScript, which is all of Pyodide
        process.exit(1);
    }
};
run(`
from importlib.metadata import distributions, requires
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

offered = {canonicalize_name(name): version for name, version in in_pyodide.items()}
offered |= {canonicalize_name(wheel.name): wheel.version for wheel in distributions()}
for requirement in map(Requirement, requires("tinygrad-edu")):
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        version = offered.get(canonicalize_name(requirement.name))
        assert version and version in requirement.specifier, f"{requirement}: Pyodide has {version}"
`);
run(readFileSync(new URL("everywhere.py", import.meta.url), "utf8"));
