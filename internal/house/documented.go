package house

import (
	"go/ast"
	"strings"
)

// documented wants a comment on every exported declaration, on every method
// of an exported interface that has several, and on every exported field of a
// struct whose name ends in Config or Options. Of what is internal, the
// declarations will do.
func documented(f *File) []Finding {
	if f.Test() || f.AST.Name.Name == "main" {
		return nil
	}
	var found []Finding
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				found = append(found, f.at(d.Pos(), "%s is not documented", d.Name.Name))
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				found = append(found, documentedSpec(f, d, s)...)
			}
		}
	}
	return found
}

func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

func documentedSpec(f *File, d *ast.GenDecl, s ast.Spec) []Finding {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
				return []Finding{f.at(name.Pos(), "%s is not documented", name.Name)}
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return nil
		}
		var found []Finding
		if d.Doc == nil && s.Doc == nil {
			found = append(found, f.at(s.Pos(), "%s is not documented", s.Name.Name))
		}
		return append(found, documentedMembers(f, s)...)
	}
	return nil
}

func documentedMembers(f *File, s *ast.TypeSpec) []Finding {
	if strings.Contains("/"+f.Dir()+"/", "/internal/") {
		return nil
	}
	var members *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.InterfaceType:
		if members = t.Methods; len(members.List) < 2 {
			return nil // the type's comment is the method's
		}
	case *ast.StructType:
		members = t.Fields
		if !strings.HasSuffix(s.Name.Name, "Config") && !strings.HasSuffix(s.Name.Name, "Options") {
			return nil
		}
	default:
		return nil
	}
	var found []Finding
	for _, m := range members.List {
		if len(m.Names) > 0 && m.Names[0].IsExported() && m.Doc == nil && m.Comment == nil {
			found = append(found, f.at(m.Pos(), "%s.%s is not documented", s.Name.Name, m.Names[0].Name))
		}
	}
	return found
}
