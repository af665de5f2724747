package setting

import "testing"

func TestDSCPIsANumberOrAName(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "63": 63, "0x2e": 46, "EF": 46, "va": 44, "le": 1, "cs0": 0, "cs7": 56, "af11": 10, "af43": 38, "af41": 34,
		"64": -1, "-1": -1, "cs8": -1, "af10": -1, "af51": -1, "af14": -1, "": -1, "expedited": -1, "cs": -1,
	} {
		got, err := ParseDSCP(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
