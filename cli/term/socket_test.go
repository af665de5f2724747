package term

import "testing"

func TestDSCPIsANumberOrAName(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "63": 63, "0x2e": 46, "EF": 46, "va": 44, "le": 1, "cs0": 0, "cs7": 56, "af11": 10, "af43": 38, "af41": 34,
		"64": -1, "-1": -1, "cs8": -1, "af10": -1, "af51": -1, "af14": -1, "": -1, "expedited": -1, "cs": -1,
	} {
		var f dscpFlag = -1
		if err := f.Set(text); int(f) != want || (err == nil) != (want >= 0) {
			t.Errorf("%q: %d, %v", text, f, err)
		}
	}
}
