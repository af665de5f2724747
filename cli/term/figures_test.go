package term

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestReadFigures(t *testing.T) {
	flags := pflag.NewFlagSet("try", pflag.ContinueOnError)
	duration := flags.Duration("duration", 0, "`time`")
	size := flags.Int("size", 0, "`bytes` of a message")
	count := flags.Uint64("count", 0, "`number`")
	rate := flags.Float64("rate", 0, "`messages` a second")
	several := flags.IntSlice("several", []int{7}, "`numbers`")
	ReadFigures(flags)
	ReadFigures(flags) // twice is once
	if err := flags.Parse([]string{"--duration", "1d2h", "--size", "1KB", "--count", "1.5M", "--rate", "50k/s", "--several", "1,1k"}); err != nil {
		t.Fatal(err)
	}
	if *duration != 26*time.Hour || *size != 1000 || *count != 1_500_000 || *rate != 50_000 || len(*several) != 2 || (*several)[1] != 1000 {
		t.Error(*duration, *size, *count, *rate, *several)
	}
	if d, err := flags.GetDuration("duration"); err != nil || d != *duration {
		t.Errorf("pflag finds %v, %v", d, err)
	}
	for args, want := range map[string]string{
		"--duration=-":     `--duration: "-" is not a duration; write it as 500ms, 10s, 5m, 2h or 1d`,
		"--count=-1":       `--count: "-1" is negative; write it as 100, 10k or 1.5M`,
		"--size=1e3":       `--size: "1e3" is not a size; write it as 64, 1KB or 16KiB`,
		"--rate=fast":      `--rate: "fast" is not a number; write it as 100, 50k or 50k/s`,
		"--several=1,,2":   `--several: "1,,2" is not a number; write it as 100, 10k or 1.5M`,
		"--count=5.5":      `--count: "5.5" is not a whole number; write it as 100, 10k or 1.5M`,
		"--size=99999999G": `--size: "99999999G" is not a size; write it as 64, 1KB or 16KiB`,
	} {
		if err := ExplainFlag(flags.Parse([]string{args})); err == nil || err.Error() != want {
			t.Errorf("%s: %v", args, err)
		}
	}
}
