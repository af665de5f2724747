package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forbiddenPackages are names that say nothing of what a package is for.
var forbiddenPackages = []string{
	"base", "common", "core", "data", "helper", "helpers", "manager", "misc", "shared", "types", "util", "utils",
}

// restriction says where alone a name of another package may be used outside
// of tests, and why.
type restriction struct {
	names   []string // import path, dot, name; or * for all names
	allowed []string // layers or directories; none: nowhere
	reason  string
}

var restrictions = []restriction{
	{[]string{"os.Exit", "syscall.Exit"}, []string{"."}, "only main exits: elsewhere deferred calls would be lost"},
	{[]string{"os.Args", "os.Stdin", "os.Stdout", "os.Stderr"}, []string{".", "cli"}, "main hands these over, and tests hand over others"},
	{[]string{"fmt.Print", "fmt.Printf", "fmt.Println"}, []string{"cli"}, "only the command line prints"},
	{[]string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv"}, []string{"cli", "internal/require"}, "the environment is a setting, read where settings are read"},
	{[]string{"flag.*"}, []string{"cli"}, "flags are settings, and those of wirelab are cobra's"},
	{[]string{"log.*"}, nil, "what is logged goes to the slog.Logger that was handed over"},
	{
		[]string{"log/slog.Debug", "log/slog.Info", "log/slog.Warn", "log/slog.Error", "log/slog.Default", "log/slog.SetDefault"},
		nil, "the default logger is package-level mutable state",
	},
	{[]string{"unsafe.*", "C.*"}, []string{"internal/sys", "internal/netlink"}, "memory is handed to the kernel through two doors"},
	{
		[]string{"golang.org/x/sys/unix.Socket", "golang.org/x/sys/unix.Syscall", "golang.org/x/sys/unix.RawSyscall", "golang.org/x/sys/unix.Open", "golang.org/x/sys/unix.Setns", "golang.org/x/sys/unix.Unshare"},
		[]string{"internal/sys", "internal/netlink"}, "others take constants of the kernel, and leave calling it to the doors",
	},
}

// immutable are functions whose results a package-level variable may hold.
var immutable = []string{
	"errors.New", "hash/crc32.MakeTable", "net/netip.MustParseAddr", "net/netip.MustParsePrefix",
	"regexp.MustCompile", "strings.NewReplacer", "time.Date", "time.Unix",
}

// variables are package-level variables that are let through, as
// directory.name, each with its reason.
var variables = map[string]string{}

func TestSource(t *testing.T) {
	for _, files := range modulePackages(t) {
		for _, f := range files {
			for _, wrong := range checkFile(f) {
				t.Error(wrong)
			}
		}
		for _, wrong := range checkVariables(files) {
			t.Error(wrong)
		}
	}
}

// checkFile returns what is wrong in a file by itself.
func checkFile(f *sourceFile) []string {
	var wrong []string
	if name := f.syntax.Name.Name; slices.Contains(forbiddenPackages, name) {
		wrong = append(wrong, f.at(f.syntax.Name, "package %s: name it after what it is for", name))
	}
	for _, spec := range f.syntax.Imports {
		if spec.Name == nil {
			continue
		}
		if name := spec.Name.Name; name == "." || name == "_" && importPath(spec) != "embed" {
			wrong = append(wrong, f.at(spec, "import %s %s: nothing registers itself, every name says where it comes from", name, importPath(spec)))
		}
	}
	for _, decl := range f.syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			wrong = append(wrong, f.at(fn, "func init: whoever needs it calls it by name"))
		}
	}
	if !f.test() && !inside(f.dir, "examples") { // those are programs of their own, which print and fail as theirs do
		wrong = append(wrong, checkNames(f)...)
	}
	return wrong
}

// checkNames returns the uses of names that are restricted to other places.
func checkNames(f *sourceFile) []string {
	var wrong []string
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if name := f.qualified(selector); name != "" {
			for _, r := range restrictions {
				if r.covers(name) && !r.allows(f.dir) {
					wrong = append(wrong, f.at(node, "%s: %s", name, r.reason))
				}
			}
		}
		return true
	})
	return wrong
}

func (r restriction) covers(name string) bool {
	all := name[:strings.LastIndex(name, ".")] + ".*"
	return slices.Contains(r.names, name) || slices.Contains(r.names, all)
}

func (r restriction) allows(dir string) bool {
	return slices.ContainsFunc(r.allowed, func(room string) bool { return inside(dir, room) })
}

func importPath(spec *ast.ImportSpec) string {
	unquoted, _ := strconv.Unquote(spec.Path.Value)
	return unquoted
}

// qualified returns the import path and the name that a selector on an imported
// package stands for, "" for any other expression.
func (f *sourceFile) qualified(expr ast.Expr) string {
	selector, ok := expr.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range f.syntax.Imports {
		name := path.Base(importPath(spec))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == pkg.Name {
			return importPath(spec) + "." + selector.Sel.Name
		}
	}
	return ""
}

// checkVariables returns the package-level variables of a package, given by
// all its files, that could change while the program runs.
func checkVariables(files []*sourceFile) []string {
	var sources []*sourceFile
	for _, f := range files {
		if !f.test() {
			sources = append(sources, f)
		}
	}
	written := writtenNames(sources)
	var wrong []string
	for _, f := range sources {
		for _, decl := range f.syntax.Decls {
			if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
				wrong = append(wrong, checkDeclaration(f, vars, written)...)
			}
		}
	}
	return wrong
}

func checkDeclaration(f *sourceFile, vars *ast.GenDecl, written map[string]bool) []string {
	var wrong []string
	for _, spec := range vars.Specs {
		spec := spec.(*ast.ValueSpec)
		if embedded(vars.Doc) || embedded(spec.Doc) {
			continue
		}
		for i, name := range spec.Names {
			var value ast.Expr
			if i < len(spec.Values) {
				value = spec.Values[i]
			}
			if _, allowed := variables[f.dir+"."+name.Name]; allowed || name.Name == "_" || f.fixed(name, value, written) {
				continue
			}
			wrong = append(wrong, f.at(name, "var %s: package-level state that can change; pass it to whoever needs it", name.Name))
		}
	}
	return wrong
}

// fixed reports whether a variable cannot change: it holds the result of an
// immutable constructor, or is a table that only this package sees and never writes.
func (f *sourceFile) fixed(name *ast.Ident, value ast.Expr, written map[string]bool) bool {
	if written[name.Name] {
		return false
	}
	switch value := value.(type) {
	case *ast.CallExpr:
		return slices.Contains(immutable, f.qualified(value.Fun))
	case *ast.CompositeLit:
		switch value.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
			return !name.IsExported()
		}
	}
	return false
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// writtenNames returns the names that are assigned to, whole or in part, or
// whose address is taken. A local variable's name counts like a global one's.
func writtenNames(files []*sourceFile) map[string]bool {
	written := make(map[string]bool)
	write := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			written[rootName(e)] = true
		}
	}
	for _, f := range files {
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.AssignStmt:
				if node.Tok != token.DEFINE {
					write(node.Lhs...)
				}
			case *ast.IncDecStmt:
				write(node.X)
			case *ast.UnaryExpr:
				if node.Op == token.AND {
					write(node.X)
				}
			case *ast.CallExpr:
				if fn, ok := node.Fun.(*ast.Ident); ok && slices.Contains([]string{"clear", "copy", "delete"}, fn.Name) {
					write(node.Args[0])
				}
			}
			return true
		})
	}
	return written
}

// rootName returns the variable that an expression is a part of.
func rootName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return rootName(e.X)
	case *ast.SelectorExpr:
		return rootName(e.X)
	case *ast.SliceExpr:
		return rootName(e.X)
	case *ast.StarExpr:
		return rootName(e.X)
	case *ast.ParenExpr:
		return rootName(e.X)
	}
	return ""
}

func TestCheckSource(t *testing.T) {
	tests := []struct {
		file, text string
		want       string // in the first message; empty: nothing is wrong
	}{
		{"server/a.go", `package server; import "errors"; var errA = errors.New("a")`, ""},
		{"server/a.go", `package server; import "errors"; var ErrA = errors.New("a"); func f() { ErrA = nil }`, "var ErrA"},
		{"server/a.go", `package server; var count int`, "var count"},
		{"server/a.go", `package server; import "sync"; var lock sync.Mutex`, "var lock"},
		{"server/a.go", `package server; var table = map[string]int{"a": 1}`, ""},
		{"server/a.go", `package server; var Table = map[string]int{"a": 1}`, "var Table"},
		{"server/a.go", `package server; var table = map[string]int{}; func f() { table["a"] = 1 }`, "var table"},
		{"server/a.go", `package server; var table = map[string]int{}; func f() { delete(table, "a") }`, "var table"},
		{"server/a.go", `package server; var table = [...]struct{ n int }{{1}}; func f() { table[0].n++ }`, "var table"},
		{"server/a.go", `package server; var table = [2]int{}; func f() *int { return &table[1] }`, "var table"},
		{"server/a.go", `package server; var state = &struct{ n int }{}`, "var state"},
		{"server/a.go", `package server; import "io"; type T struct{ io.Reader }; var _ io.Reader = (*T)(nil)`, ""},
		{"server/a_test.go", `package server; var count int`, ""},
		{"dash/a.go", "package dash\nimport \"embed\"\n//go:embed page\nvar page embed.FS", ""},
		{"server/a.go", `package server; func init() {}`, "func init"},
		{"server/a.go", `package server; type T struct{}; func (T) init() {}`, ""},
		{"server/a.go", `package server; import . "fmt"`, "import . fmt"},
		{"server/a.go", `package server; import _ "net/http/pprof"`, "import _ net/http/pprof"},
		{"server/a.go", `package server; import _ "embed"`, ""},
		{"util/a.go", `package util`, "package util"},
		{"server/a.go", `package server; import "os"; func f() { os.Exit(1) }`, "os.Exit: only main"},
		{"cli/a.go", `package cli; import "os"; func f() { os.Exit(1) }`, "os.Exit: only main"},
		{"main.go", `package main; import "os"; func main() { os.Exit(1) }`, ""},
		{"server/a.go", `package server; import sys "os"; func f() { sys.Exit(1) }`, "os.Exit: only main"},
		{"server/a.go", `package server; import "fmt"; func f() { fmt.Println() }`, "fmt.Println: only the command"},
		{"cli/config/a.go", `package config; import "os"; func f() string { return os.Getenv("A") }`, ""},
		{"server/a.go", `package server; import "flag"; func f() { flag.Parse() }`, "flag.Parse: "},
		{"server/a.go", `package server; import "log"; func f() { log.Fatal() }`, "log.Fatal: "},
		{"server/a.go", `package server; import "log/slog"; func f() { slog.Info("a") }`, "log/slog.Info: "},
		{"server/a.go", `package server; import "log/slog"; func f(log *slog.Logger) { log.Info("a") }`, ""},
		{"server/a.go", `package server; import "unsafe"; func f(p *int) unsafe.Pointer { return unsafe.Pointer(p) }`, "unsafe.Pointer: "},
		{"internal/sys/a.go", `package sys; import "unsafe"; func f(p *int) unsafe.Pointer { return unsafe.Pointer(p) }`, ""},
	}
	for _, tt := range tests {
		f, err := parseFile(tt.file, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got := append(checkFile(f), checkVariables([]*sourceFile{f})...)
		if ok := len(got) == 0; ok != (tt.want == "") || !strings.Contains(fmt.Sprint(got), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, got, tt.want)
		}
	}
}
