package signer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/outhook/outhook/signer"
)

// Reveal is for the store, ParseKey for reading it back; everything else prints
// asterisks, and asterisks are not taken for a key.
func ExampleKey_Reveal() {
	key, err := signer.RawSecret("a secret that a vendor gave")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v %+v %#v\n", key, key, key)
	fmt.Println(key.Reveal())

	_, err = signer.ParseKey(key.String())
	fmt.Println(errors.Is(err, signer.ErrRedacted))
	// Output:
	// raw:*** raw:*** raw:***
	// raw:a secret that a vendor gave
	// true
}

func ExampleParseKey() {
	key, err := signer.ParseKey("until=2027-01-01T00:00:00Z;whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.Kind(), key.Ends().Year(), key.Live(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))

	_, err = signer.ParseKey("no prefix: decoded or literal?")
	fmt.Println(err)
	// Output:
	// whsec_ 2027 false
	// invalid key: none of the prefixes whsec_, raw:, token:, whsk_, whpk_
}

// A form or a JSON API that shows an endpoint shows no secret.
func ExampleKey_MarshalJSON() {
	b, err := json.Marshal(struct{ Secrets []signer.Key }{Secrets: []signer.Key{signer.GenerateSecret()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(b))
	// Output: {"Secrets":["whsec_***"]}
}

func ExampleKey_Public() {
	private, err := signer.ParsePrivateKey("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==")
	if err != nil {
		fmt.Println(err)
		return
	}
	public, err := private.Public()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(private)
	fmt.Println(public)
	// Output:
	// whsk_***
	// whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=
}

func ExampleMask() {
	key, err := signer.Token("hunter22")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", signer.Mask([]byte(`{"you_sent":"Bearer hunter22"}`), []signer.Key{key}))
	// Output: {"you_sent":"Bearer ***"}
}
