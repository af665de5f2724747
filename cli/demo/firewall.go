package demo

func tellFirewall(s *story) error { return nil }
