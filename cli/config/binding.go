package config

import (
	"fmt"
	"log/slog"

	"wirelab/internal/setting"
)

// A kind is how values of one type are written.
type kind[T any] struct {
	name    string
	allowed string
	parse   func(string) (T, error)
	format  func(T) string
	plain   bool // JSON shows the value itself, not its text
}

// A binding ties a key to its field of a Config.
type binding struct {
	// set parses items into the field, unless some are bad, which it returns.
	set   func(c *Config, items []string) []badItem
	items func(c *Config) []string
	json  func(c *Config) any
}

// A badItem is an item that cannot be parsed, and why.
type badItem struct {
	index int
	err   error
}

// one makes the key of a field with one value.
func one[T any](name, initial string, k kind[T], field func(*Config) *T, doc string) Key {
	return Key{Name: name, Kind: k.name, Allowed: k.allowed, Doc: doc, Switch: k.name == "bool",
		initial: []string{initial},
		binding: binding{
			set: func(c *Config, items []string) []badItem {
				if len(items) != 1 {
					return []badItem{{0, fmt.Errorf("one value is expected, not %d", len(items))}}
				}
				values, bad := parseAll(k, items)
				if bad == nil {
					*field(c) = values[0]
				}
				return bad
			},
			items: func(c *Config) []string { return []string{k.format(*field(c))} },
			json: func(c *Config) any {
				if k.plain {
					return *field(c)
				}
				return k.format(*field(c))
			},
		}}
}

// many makes the key of a field with a list of values.
func many[T any](name string, initial []string, k kind[T], field func(*Config) *[]T, doc string) Key {
	format := func(c *Config) []string {
		texts := make([]string, 0, len(*field(c)))
		for _, v := range *field(c) {
			texts = append(texts, k.format(v))
		}
		return texts
	}
	return Key{Name: name, Kind: k.name, Allowed: k.allowed, Doc: doc, List: true, initial: initial,
		binding: binding{
			set: func(c *Config, items []string) []badItem {
				values, bad := parseAll(k, items)
				if bad == nil {
					*field(c) = values
				}
				return bad
			},
			items: format,
			json:  func(c *Config) any { return format(c) },
		}}
}

func parseAll[T any](k kind[T], items []string) (values []T, bad []badItem) {
	if len(items) > maxList {
		return nil, []badItem{{maxList, fmt.Errorf("%d entries are more than the %d allowed", len(items), maxList)}}
	}
	for i, item := range items {
		v, err := k.parse(item)
		if err != nil {
			bad = append(bad, badItem{i, fmt.Errorf("%s %w", setting.Quote(item), err)})
		}
		values = append(values, v)
	}
	return values, bad
}

// follow makes k take the value of the key named other unless it is set.
func follow(other string, k Key) Key {
	k.Follows, k.initial = other, nil
	return k
}

func levelOf(c *Config) *slog.Level { return &c.Logs.Level }
