package signer

// ShortSecret makes a raw key shorter than RawSecret allows, for published
// vectors.
func ShortSecret(s string) Key {
	return newKey(&material{kind: KindRaw, text: s, raw: []byte(s)})
}
