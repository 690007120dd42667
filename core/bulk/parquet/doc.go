// Package parquet reads and writes Parquet files for package bulk. It is a package of its own so that programs that do not
// use it do not carry it.
package parquet
