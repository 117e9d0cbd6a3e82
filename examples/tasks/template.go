package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// fill puts a contact into a template: {{full_name}}, {{extra_fields.eta}}. A
// name that the contact does not have is an error. What a contact brings is
// text, also where it looks like a placeholder.
func fill(template string, c Contact) (string, error) {
	var errs []error
	text := placeholder.ReplaceAllStringFunc(template, func(hole string) string {
		name := placeholder.FindStringSubmatch(hole)[1]
		value, ok := lookUp(c, name)
		if !ok {
			errs = append(errs, fmt.Errorf("the task asks for %q, which is not in the body", name))
			return hole
		}
		return value
	})
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return text, nil
}

// lookUp returns a value as it stood in the body: the number 29 is "29".
func lookUp(c Contact, name string) (string, bool) {
	switch name {
	case "full_name":
		return c.FullName, true
	case "phone":
		return c.Phone, true
	case "email":
		return c.Email, true
	}
	extra, ok := strings.CutPrefix(name, "extra_fields.")
	if !ok {
		return "", false
	}
	value, ok := c.ExtraFields.Get(extra)
	if !ok {
		return "", false
	}
	if value == nil {
		return "", true
	}
	return fmt.Sprint(value), true
}
