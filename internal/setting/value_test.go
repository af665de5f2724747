package setting_test

import (
	"fmt"
	"testing"

	"wirelab/internal/setting"
)

const rules = `firewall:
  nets: {office: [10.64.37.0/24, 192.0.2.7]}
  in:
    - accept ssh from office
    - 'drop tcp/80'  # quoted
addresses:
  eth1: {mtu: 1400}
`

func Example() {
	file, errs := setting.Read("wirelab.yaml", []byte(rules))
	firewall, _ := file.Get("firewall")
	in, _ := firewall.Get("in")
	fmt.Println(errs == nil, in.Path, in.Place)
	for _, rule := range in.Items {
		fmt.Println(rule.Place, rule.Text)
	}
	mistake := in.Items[1].ErrorAt(5, 3, "no such protocol")
	fmt.Println(mistake)
	fmt.Println(mistake.Excerpt())
	// Output:
	// true firewall.in wirelab.yaml:4:5
	// wirelab.yaml:4:7 accept ssh from office
	// wirelab.yaml:5:7 drop tcp/80
	// wirelab.yaml:5:13: firewall.in: no such protocol
	//   5 |     - 'drop tcp/80'  # quoted
	//     |             ^^^
}

func TestPlacesOfAMap(t *testing.T) {
	file, errs := setting.Read("wirelab.yaml", []byte(rules))
	if errs != nil {
		t.Fatal(errs)
	}
	nets, _ := file.Entries[0].Value.Get("nets")
	office := nets.Entries[0]
	if got := office.Place.String(); got != "wirelab.yaml:2:10" {
		t.Errorf("office stands at %s", got)
	}
	texts, err := office.Value.Texts()
	if err != nil || len(texts) != 2 || texts[1].Place.String() != "wirelab.yaml:2:34" {
		t.Errorf("%v, %v", texts, err)
	}
	link := file.Entries[1].Value.Entries[0]
	if mtu, ok := link.Value.Get("mtu"); link.Key != "eth1" || !ok || mtu.Text != "1400" || mtu.Path != "addresses.eth1.mtu" {
		t.Errorf("%+v", link)
	}
	if none, ok := link.Value.Get("mac"); ok || none.Kind != setting.Null || none.Path != "addresses.eth1.mac" {
		t.Errorf("%+v", none)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(rules)
	f.Add("a: [1, {b: &x c}]\n? [d]\n: e\n")
	f.Fuzz(func(t *testing.T, source string) {
		file, errs := setting.Read("f", []byte(source))
		for _, e := range errs {
			_, _ = e.Error(), e.Excerpt()
		}
		visit(file)
	})
}

func visit(v setting.Value) {
	_ = v.ErrorAt(len(v.Text)/2, 3, "%s", v.Describe()).Excerpt()
	for _, item := range v.Items {
		visit(item)
	}
	for _, e := range v.Entries {
		visit(e.Value)
	}
}

func TestAddressesInBracesAreNoKeys(t *testing.T) {
	file, errs := setting.Read("f", []byte("a: {b: [2001:db8::/64, 192.0.2.1, accept tcp 10.0.0.1 -> :22], c: [{d: e}, {d: e, f: g}, {d: [e]}]}"))
	if errs != nil {
		t.Fatal(errs)
	}
	a, _ := file.Get("a")
	b, _ := a.Get("b")
	want := []string{"2001:db8::/64", "192.0.2.1", "accept tcp 10.0.0.1 -> :22"}
	for i, item := range b.Items {
		if item.Kind != setting.Scalar || item.Text != want[i] {
			t.Errorf("item %d: %v %q, want %q", i, item.Kind, item.Text, want[i])
		}
	}
	if at := b.Items[0].PlaceAt(5); at.Column != 14 {
		t.Errorf("place %v, want column 14", at)
	}
	c, _ := a.Get("c")
	for _, item := range c.Items {
		if item.Kind != setting.Map {
			t.Errorf("a map became %v", item)
		}
	}
}
