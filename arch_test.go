package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// These tests are ARCHITECTURE.md in a form that can fail: who may import whom,
// and what comes from outside. The rules for the code itself are in
// archsource_test.go.

// everything stands for all packages of the house.
const everything = "*"

// layer says which packages of the house the non-test files of a package and
// its subpackages may import, besides themselves, and why no others.
type layer struct {
	imports []string
	reason  string
}

// layers has a row for each directory that holds packages; "." is the root.
var layers = map[string]layer{
	".":        {[]string{"cli"}, "main hands over to cli, so that a test can run any command without a process"},
	"cli":      {[]string{everything}, "cli is the only place where the parts meet"},
	"dash":     {[]string{"observe"}, "the page shows what the live view shows, and nothing by a way of its own"},
	"server":   {[]string{"clock", "observe"}, "a server can be looked at and knows the time; it knows no client and no command"},
	"load":     {[]string{"clock", "observe", "report"}, "a client measures any server, not only ours"},
	"examples": {[]string{everything}, "what a reader of the examples would write, with whatever it needs"},
	"docs":     {nil, "guides are not code; their test runs what they print"},
	"lab":      {[]string{"firewall", "address", "wire"}, "a laboratory is hosts with policies, addresses and links"},
	"report":   {nil, "what is saved and compared must not matter to who measured it"},
	"packet":   {nil, "packets are data: whatever sends or receives them comes later"},
	"wire":     {nil, "frames go in and out as bytes, whatever they mean"},
	"clock":    {nil, "a stamp means the same to everyone who takes one"},
	"firewall": {nil, "a plan is made and asked without a machine to apply it to"},
	"address":  {nil, "a plan is made without a machine to apply it to"},
	"guard":    {nil, "what takes a change back must not depend on what was changed"},
	"observe":  {nil, "what is observed must not matter to how it is shown"},
	"internal": {nil, "what serves every part knows none of them"},
}

// testOnly are the packages of the house that only test files import.
var testOnly = []string{"cli/clitest", "cli/term/termtest", "firewall/firewalltest", "internal/require", "internal/sys/stream/streamtest"}

// allowedImport reports whether a file may import the package of the house.
func allowedImport(importer, imported string, test bool) bool {
	from, to := layerOf(importer), layerOf(imported)
	if to == "." || slices.Contains(testOnly, imported) {
		return test
	}
	if from == to || to == "internal" {
		return from != "." || test
	}
	// A test may set one part against another: a client needs a server to talk to.
	if test && to != "cli" {
		return true
	}
	allowed := layers[from].imports
	return slices.Contains(allowed, everything) || slices.Contains(allowed, to)
}

// layerOf returns the key in layers of a package given by its directory.
func layerOf(dir string) string {
	top, _, _ := strings.Cut(dir, "/")
	return top
}

// dependency is a module from outside: who may import it, and what for.
type dependency struct {
	importers []string // directories, with those below them; none: any
	tests     bool     // for test files, wherever they are, and for testOnly packages
	reason    string
}

var dependencies = map[string]dependency{
	"github.com/spf13/cobra":                  {importers: []string{"cli"}, reason: "commands, help, completion"},
	"github.com/spf13/pflag":                  {importers: []string{"cli"}, reason: "cobra's flags, where their types are named"},
	"github.com/goccy/go-yaml":                {importers: []string{"internal/setting"}, reason: "strict YAML with the position of each error"},
	"github.com/DeRuina/timberjack":           {importers: []string{"observe"}, reason: "log files rotated by size and age"},
	"github.com/HdrHistogram/hdrhistogram-go": {importers: []string{"load"}, reason: "latency percentiles with a bounded error"},
	"github.com/facebook/time":                {importers: []string{"clock"}, reason: "AES-SIV for NTS (its nts/aessiv alone)"},
	"golang.org/x/sys": {
		importers: []string{"internal/sys", "internal/netlink", "wire", "firewall", "address", "lab"},
		reason:    "system calls that syscall lacks, behind the two doors to the kernel; its constants where the kernel's words are spoken",
	},
	"golang.org/x/sync":               {importers: []string{"load", "server", "wire", "docs"}, reason: "errgroup: the first failure of a group, and all of them waited for"},
	"github.com/klauspost/compress":   {importers: []string{"observe"}, reason: "rotated log files that are compressed with zstd, which timberjack brings"},
	"golang.org/x/term":               {importers: []string{"cli"}, reason: "line editing, width of the terminal"},
	"github.com/gopacket/gopacket":    {tests: true, reason: "a second opinion on capture files and layers"},
	"golang.org/x/net":                {importers: []string{"packet", "wire/filter"}, reason: "DNS messages; in tests, the virtual machine that filters are compared on"},
	"pgregory.net/rapid":              {tests: true, reason: "properties instead of examples"},
	"github.com/google/go-cmp":        {tests: true, reason: "differences that can be read"},
	"github.com/rogpeppe/go-internal": {tests: true, reason: "testscript: the command line tested as scripts"},
	"go.uber.org/goleak":              {tests: true, reason: "goroutines left behind"},
	"honnef.co/go/tools":              {importers: []string{"go tool"}, reason: "staticcheck"},
}

// moduleOf returns the dependency that provides the package, "" if none does.
func moduleOf(imported string) string {
	for module := range dependencies {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			return module
		}
	}
	return ""
}

// allows reports whether a file of the package in dir may import from d.
func (d dependency) allows(dir string, test bool) bool {
	if d.tests {
		return test || slices.Contains(testOnly, dir)
	}
	return len(d.importers) == 0 || slices.ContainsFunc(d.importers, func(room string) bool { return inside(dir, room) })
}

// inside reports whether dir is room or below it.
func inside(dir, room string) bool { return dir == room || strings.HasPrefix(dir, room+"/") }

// checkImport returns what is wrong with an import, "" if nothing is.
func checkImport(dir, imported string, test bool) string {
	if imported == "wirelab" || strings.HasPrefix(imported, "wirelab/") {
		target := strings.TrimPrefix(strings.TrimPrefix(imported, "wirelab"), "/")
		if target == "" {
			target = "."
		}
		if !allowedImport(dir, target, test) {
			return fmt.Sprintf("may not import %s: %s", target, layers[layerOf(dir)].reason)
		}
		return ""
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	module := moduleOf(imported)
	if module == "" {
		return fmt.Sprintf("imports %s, which is not in the table of dependencies", imported)
	}
	if d := dependencies[module]; !d.allows(dir, test) {
		return fmt.Sprintf("may not import %s: it is for %v (tests: %t): %s", imported, d.importers, d.tests, d.reason)
	}
	return ""
}

// sourceFile is a parsed Go file of the module, for whatever system it is.
type sourceFile struct {
	dir    string // its directory, relative to the root, with slashes; "." at the root
	name   string
	set    *token.FileSet
	syntax *ast.File
}

func (f *sourceFile) test() bool { return strings.HasSuffix(f.name, "_test.go") }

// at returns a message with the position of node in front.
func (f *sourceFile) at(node ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s: %s", f.set.Position(node.Pos()), fmt.Sprintf(format, args...))
}

// modulePackages parses all Go files of the module, by directory. Directories
// that the go command ignores, and modules of their own such as bench, are left out.
func modulePackages(t *testing.T) map[string][]*sourceFile {
	t.Helper()
	packages := make(map[string][]*sourceFile)
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skipDir(name, entry)
		case path.Ext(name) != ".go":
			return nil
		}
		f, err := parseFile(filepath.ToSlash(name), nil)
		if err == nil {
			packages[f.dir] = append(packages[f.dir], f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func skipDir(name string, entry fs.DirEntry) error {
	if name == "." {
		return nil
	}
	hidden := strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_")
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil || hidden || entry.Name() == "testdata" {
		return filepath.SkipDir
	}
	return nil
}

// parseFile parses the file, or the text given instead of its contents.
func parseFile(name string, text any) (*sourceFile, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return &sourceFile{dir: path.Dir(name), name: name, set: set, syntax: syntax}, err
}

func TestImportsPointDown(t *testing.T) {
	for dir, files := range modulePackages(t) {
		if _, ok := layers[layerOf(dir)]; !ok {
			t.Errorf("package %s has no row in layers: say there and in ARCHITECTURE.md what it may import", dir)
		}
		for _, f := range files {
			for _, spec := range f.syntax.Imports {
				if wrong := checkImport(dir, strings.Trim(spec.Path.Value, `"`), f.test()); wrong != "" {
					t.Error(f.at(spec, "%s", wrong))
				}
			}
		}
	}
}

func TestCheckImport(t *testing.T) {
	tests := []struct {
		dir, imported string
		test, ok      bool
	}{
		{".", "wirelab/cli", false, true},
		{".", "wirelab/server", false, false},
		{".", "wirelab/internal/sys", false, false},
		{"cli", "wirelab/server", false, true},
		{"cli", "wirelab/cli/config", false, true},
		{"cli/config", "wirelab/internal/sys", false, true},
		{"server", "wirelab/clock", false, true},
		{"server", "wirelab/load", false, false},
		{"server", "wirelab/cli", false, false},
		{"server", "wirelab/cli", true, false},
		{"load", "wirelab/server", false, false},
		{"load", "wirelab/server", true, true},
		{"clock", "wirelab/observe", false, false},
		{"internal/sys", "wirelab/clock", false, false},
		{"internal/task", "wirelab/internal/sys", false, true},
		{"server", "wirelab/internal/require", false, false},
		{"server", "wirelab/internal/require", true, true},
		{"clock", "net/netip", false, true},
		{"clock", "golang.org/x/sys/unix", true, false},
		{"internal/sys", "golang.org/x/sys/unix", false, true},
		{"internal/sys/epoll", "golang.org/x/sys/unix", false, true},
		{"internal/system", "golang.org/x/sys/unix", false, false},
		{"firewall", "golang.org/x/sys/unix", false, true},
		{"server", "golang.org/x/sys/unix", false, false},
		{"server", "github.com/spf13/cobra", false, false},
		{"server", "pgregory.net/rapid", false, false},
		{"server", "pgregory.net/rapid", true, true},
		{"internal/require", "go.uber.org/goleak", false, true},
		{"server", "example.org/left-pad", false, false},
		{"server", "github.com/spf13/cobrability", false, false},
	}
	for _, tt := range tests {
		if wrong := checkImport(tt.dir, tt.imported, tt.test); (wrong == "") != tt.ok {
			t.Errorf("%s imports %s (test: %t): %q", tt.dir, tt.imported, tt.test, wrong)
		}
	}
}

// goMod is what `go mod edit -json` prints.
type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
}

func TestDependenciesAreExplained(t *testing.T) {
	text, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod goMod
	if err := json.Unmarshal(text, &mod); err != nil {
		t.Fatal(err)
	}
	required := make(map[string]bool)
	for _, r := range mod.Require {
		required[r.Path] = true
		if _, ok := dependencies[r.Path]; !ok && !r.Indirect {
			t.Errorf("go.mod requires %s, which is not in the table of dependencies", r.Path)
		}
	}
	words := architecture(t)
	for module, d := range dependencies {
		if !required[module] {
			t.Errorf("go.mod does not require %s: take it out of the table and of ARCHITECTURE.md", module)
		}
		if d.reason == "" || !strings.Contains(words, module) {
			t.Errorf("ARCHITECTURE.md does not say what %s is for", module)
		}
	}
}

func TestPackagesAreExplained(t *testing.T) {
	words := architecture(t)
	for dir, files := range modulePackages(t) {
		code := slices.DeleteFunc(slices.Clone(files), (*sourceFile).test)
		if len(code) > 0 && !slices.ContainsFunc(code, func(f *sourceFile) bool { return f.syntax.Doc != nil }) {
			t.Errorf("package %s has no comment that says what it is for", dir)
		}
		part := dir // what a part keeps to itself needs no name there
		switch {
		case inside(dir, "internal/sys"):
			part = "internal/sys"
		case layerOf(dir) != "internal":
			part = layerOf(dir)
		}
		if !strings.Contains(words, part) {
			t.Errorf("ARCHITECTURE.md does not name %s", part)
		}
	}
}

func architecture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
