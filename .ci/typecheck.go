// Typecheck checks the types of packages as another system has them: whether they compile
// there, without the minute that compiling the standard library for it takes.
//
//	go run .ci/typecheck.go darwin -test ./...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A listed package is what go list says of one, those that it imports before it.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	Module          *struct{ Main bool }
}

// ours reports whether bodies of functions are checked too.
func (p *listed) ours() bool { return p.Module != nil && p.Module.Main }

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck GOOS [-test] PACKAGE...")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(system string, packages []string) error {
	list := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Module"}, packages...)...)
	list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.StdoutPipe()
	if err != nil {
		return err
	}
	if err := list.Start(); err != nil {
		return err
	}
	c := checker{files: token.NewFileSet(), checked: map[string]*types.Package{"unsafe": types.Unsafe}}
	for in := json.NewDecoder(out); ; {
		var p listed
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if p.ImportPath != "unsafe" && !strings.HasSuffix(p.ImportPath, ".test") { // the main programs of tests
			c.check(&p)
		}
	}
	return errors.Join(list.Wait(), errors.Join(c.wrong...))
}

type checker struct {
	files   *token.FileSet
	checked map[string]*types.Package
	wrong   []error
}

func (c *checker) check(p *listed) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			c.wrong = append(c.wrong, err)
			return
		}
		files = append(files, file)
	}
	config := types.Config{
		Importer: imports{c.checked, p.ImportMap}, IgnoreFuncBodies: !p.ours(), FakeImportC: true,
		Sizes: types.SizesFor("gc", runtime.GOARCH),
		Error: func(err error) {
			if p.ours() {
				c.wrong = append(c.wrong, err)
			}
		},
	}
	c.checked[p.ImportPath], _ = config.Check(p.ImportPath, c.files, files, nil) // its errors went to Error
}

// imports finds what a package imports among those already checked.
type imports struct {
	checked map[string]*types.Package
	vendor  map[string]string
}

func (i imports) Import(path string) (*types.Package, error) {
	if to, ok := i.vendor[path]; ok {
		path = to
	}
	if p := i.checked[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not there", path)
}
