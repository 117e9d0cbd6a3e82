module github.com/outhook/outhook/examples/postgres

go 1.25.0

require (
	github.com/jackc/pgx/v5 v5.7.6
	github.com/outhook/outhook v0.0.0
	github.com/outhook/outhook/webhook/pgxstore v0.0.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/go-playground/form/v4 v4.2.1 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.2 // indirect
	golang.org/x/crypto v0.37.0 // indirect
	golang.org/x/sync v0.18.0 // indirect
	golang.org/x/text v0.24.0 // indirect
)

replace (
	github.com/outhook/outhook => ../..
	github.com/outhook/outhook/webhook/pgxstore => ../../webhook/pgxstore
)
