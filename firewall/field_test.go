package firewall

import "testing"

func TestEveryFieldHasARow(t *testing.T) {
	names := map[string]bool{}
	for _, f := range Fields() {
		row := f.Info()
		if row.Name == "" || row.Width == 0 || row.Type == 0 || row.TypeName == "" || names[row.Name] {
			t.Errorf("field %d: %+v", f, *row)
		}
		names[row.Name] = true
	}
}
