package payload

import (
	"reflect"
	"strconv"

	"github.com/go-playground/form/v4"
)

// ListStyle says how a form carries a list.
type ListStyle uint8

// The list styles. What receivers make of them is in the documentation of
// FormOptions.
const (
	// ListBrackets repeats the key with empty brackets: t[]=a&t[]=b. It is the
	// default, and the only one that PHP, qs and Rack all read as a list.
	ListBrackets ListStyle = iota + 1
	// ListRepeat repeats the bare key, t=a&t=b: PHP and Rack keep the last
	// value alone.
	ListRepeat
	// ListIndex numbers the elements, t[0]=a&t[1]=b: Rack reads a hash.
	ListIndex
	// ListComma joins the elements, t=a,b. An element that holds a comma is an
	// error.
	ListComma
)

// String returns the style's name.
func (s ListStyle) String() string {
	return enumName("ListStyle", uint8(s), "brackets", "repeat", "index", "comma")
}

// KeyStyle says how a form writes nested names.
type KeyStyle uint8

// The key styles.
const (
	// KeyBrackets nests with brackets: a[b][c]. It is the default.
	KeyBrackets KeyStyle = iota + 1
	// KeyDots nests with dots, a.b.c: PHP turns each into an underscore.
	KeyDots
)

// String returns the style's name.
func (s KeyStyle) String() string { return enumName("KeyStyle", uint8(s), "brackets", "dots") }

// BoolStyle says how a form writes booleans.
type BoolStyle uint8

// The boolean styles.
const (
	// BoolOneZero writes 1 and 0. It is the default: the text "false" is true
	// in PHP.
	BoolOneZero BoolStyle = iota + 1
	// BoolTrueFalse writes true and false.
	BoolTrueFalse
)

// String returns the style's name.
func (s BoolStyle) String() string { return enumName("BoolStyle", uint8(s), "1/0", "true/false") }

// NullStyle says what a form does with nil: pointers and interfaces, and zero
// times and addresses.
type NullStyle uint8

// The styles for nil.
const (
	// NullOmit leaves the pair out. It is the default.
	NullOmit NullStyle = iota + 1
	// NullEmpty sends the key with an empty value. A nil or empty list or map
	// stays left out: a form cannot say them.
	NullEmpty
)

// String returns the style's name.
func (s NullStyle) String() string { return enumName("NullStyle", uint8(s), "omit", "empty") }

// SpaceStyle says how a form escapes a space.
type SpaceStyle uint8

// The styles for a space. All receivers read both.
const (
	// SpacePlus writes +. It is the default.
	SpacePlus SpaceStyle = iota + 1
	// SpacePercent writes %20.
	SpacePercent
)

// String returns the style's name.
func (s SpaceStyle) String() string { return enumName("SpaceStyle", uint8(s), "+", "%20") }

// enumName names the member n of an enum that starts at one.
func enumName(typ string, n uint8, names ...string) string {
	if n == 0 {
		return "default"
	}
	if int(n) > len(names) {
		return typ + "(" + strconv.Itoa(int(n)) + ")"
	}
	return names[n-1]
}

// TypeFunc brings a form.EncodeCustomTypeFunc to a Form encoder: Func gives
// the text of the types that Types holds samples of. One text is a scalar,
// several are a list, none leaves the pair out.
type TypeFunc struct {
	Func  form.EncodeCustomTypeFunc
	Types []any
}

// FormOptions are the options of a form encoder. The zero value is what PHP,
// Rack, qs, Django and Go all read alike: keys in declaration order and in
// brackets, lists as key[]=, booleans as 1 and 0, nil left out, empty strings
// sent, map keys sorted, times in UTC. What some of them cannot read is refused
// unless an option asks for it. One thing is left: a list of more than 20
// elements, which qs by itself reads as an object with the keys 0, 1 and so on;
// express and all others read a list.
type FormOptions struct {
	// Lists is how lists are written. Lists of objects need ListIndex or
	// ListBrackets to be chosen explicitly, lists of lists ListIndex: no style
	// of theirs is read alike everywhere. Or tag the field webhook:"json", and
	// it is sent as JSON text in one field.
	//
	// Defaults to ListBrackets, for lists of scalars alone.
	Lists ListStyle
	// Keys is how nested names are written.
	//
	// Defaults to KeyBrackets.
	Keys KeyStyle
	// Bools is how booleans are written.
	//
	// Defaults to BoolOneZero.
	Bools BoolStyle
	// Nulls says what nil pointers and interfaces become, and zero times and
	// addresses, which have no text that receivers understand.
	//
	// Defaults to NullOmit.
	Nulls NullStyle
	// Spaces is how a space is escaped.
	//
	// Defaults to SpacePlus.
	Spaces SpaceStyle
	// TimeLayout is how times are written where their field has no layout= of
	// its own: a layout of package time, "unix" or "unixmilli". Times are
	// always in UTC.
	//
	// Defaults to RFC 3339 with as many digits of the second as needed, six at
	// most.
	TimeLayout string
	// InvalidUTF8 says what happens to strings that are not UTF-8.
	//
	// Defaults to UTF8Fail.
	InvalidUTF8 UTF8Policy
	// AllowNumericKeys permits map keys and nested names that are digits alone.
	// qs turns f[1]=a&f[7]=b into a list and loses the numbers.
	//
	// Defaults to false.
	AllowNumericKeys bool
	// AllowMemberNames permits the names that every object has in JavaScript,
	// such as constructor and toString, in any part of a key. qs drops what has
	// one of them, unless its application allows it, as express does.
	//
	// Defaults to false. __proto__ is refused always.
	AllowMemberNames bool
	// AllowDotsAndSpaces permits dots and spaces in the first part of a key,
	// which PHP turns into underscores.
	//
	// Defaults to false.
	AllowDotsAndSpaces bool
	// TypeFuncs are functions of form/v4 for types of the host.
	//
	// Defaults to none.
	TypeFuncs []TypeFunc
	// MaxPairs is the largest number of pairs; more is an ErrTooLarge. PHP and
	// qs cut a form silently at 1000.
	//
	// Defaults to 900.
	MaxPairs int
	// MaxDepth is the largest number of bracketed parts in a key, at most 32.
	// qs stops at 5.
	//
	// Defaults to 5.
	MaxDepth int
	// MaxBody is the largest body in bytes, at most 1 GiB. A larger one is an
	// ErrTooLarge.
	//
	// Defaults to 65536.
	MaxBody int
	// Transform changes the data before it is encoded, as in JSONOptions.
	//
	// Defaults to nil: nothing is changed.
	Transform func(Fields) (Fields, error)
}

// check reports everything that is wrong with the options.
func (o FormOptions) check() error {
	var errs []error
	option := func(name, problem string) {
		if problem != "" {
			errs = append(errs, &FieldError{Path: "FormOptions." + name, Problem: problem, Err: ErrUnsupported})
		}
	}
	style := func(name string, n, last uint8) {
		if n > last {
			option(name, "is no style of this package: "+strconv.Itoa(int(n)))
		}
	}
	style("Lists", uint8(o.Lists), uint8(ListComma))
	style("Keys", uint8(o.Keys), uint8(KeyDots))
	style("Bools", uint8(o.Bools), uint8(BoolTrueFalse))
	style("Nulls", uint8(o.Nulls), uint8(NullEmpty))
	style("Spaces", uint8(o.Spaces), uint8(SpacePercent))
	style("InvalidUTF8", uint8(o.InvalidUTF8), uint8(UTF8Replace))
	if o.TimeLayout != "" {
		option("TimeLayout", checkLayout(o.TimeLayout))
	}
	if o.MaxPairs < 0 {
		option("MaxPairs", "must not be negative")
	}
	if o.MaxDepth < 0 || o.MaxDepth > maxNest {
		option("MaxDepth", "must be from 1 to 32, or 0 for the default")
	}
	option("MaxBody", checkMaxBody(o.MaxBody))
	for _, tf := range o.TypeFuncs {
		option("TypeFuncs", tf.check())
	}
	return joinErrors(errs)
}

func (tf TypeFunc) check() string {
	if tf.Func == nil || len(tf.Types) == 0 {
		return "needs a Func and at least one of Types"
	}
	for _, x := range tf.Types {
		if x == nil {
			return "holds a nil in Types: give a value of the type, as form/v4 wants it"
		}
	}
	return ""
}

// custom collects the functions by type.
func (o FormOptions) custom() map[reflect.Type]form.EncodeCustomTypeFunc {
	if len(o.TypeFuncs) == 0 {
		return nil
	}
	m := map[reflect.Type]form.EncodeCustomTypeFunc{}
	for _, tf := range o.TypeFuncs {
		for _, x := range tf.Types {
			m[reflect.TypeOf(x)] = tf.Func
		}
	}
	return m
}
