// Package sqltest tests sqlstore on the databases themselves. It is a module of
// its own since it needs their drivers.
//
// PostgreSQL is looked for at OUTHOOK_POSTGRES (a URL), MariaDB or MySQL at
// OUTHOOK_MYSQL (a DSN of go-sql-driver/mysql without a database); by default
// both on their usual ports of this host, as postgres in the database test, and
// as root. Each test makes a schema or database of its own and drops it.
package sqltest
