package term

import "testing"

// Every line of a server has the same schema, which says what the line is.
func TestScreenForPrograms(t *testing.T) {
	c, stdout, _ := newConsole("")
	c.JSON = true
	s := NewScreen(c)
	s.Show("<guest1> hello")
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if want := `{"event":"chat","text":"<guest1> hello","schema":"wirelab.event/1"}` + "\n"; stdout.String() != want {
		t.Errorf("got %s", stdout)
	}
}
