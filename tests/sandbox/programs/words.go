// words.go - what a Go or TinyGo program of a user does: streams, arguments, environment, folders, files, clock, chance,
// goroutines, a timer, and a panic when it is told to.
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what, err)
	os.Exit(1)
}

func main() {
	if os.Getenv("PANIC") != "" {
		panic("as asked")
	}
	began := time.Now()
	counts := map[string]int{}
	words := bufio.NewScanner(os.Stdin)
	words.Split(bufio.ScanWords)
	for words.Scan() {
		counts[words.Text()]++
	}
	entries, err := os.ReadDir("/in")
	if err != nil {
		fail("the folder of inputs", err)
	}
	sizes := make(chan int)
	go func() {
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join("/in", e.Name()))
			if err != nil {
				fail("an input", err)
			}
			sizes <- len(text)
		}
		close(sizes)
	}()
	total := 0
	for n := range sizes {
		total += n
	}
	time.Sleep(20 * time.Millisecond)
	var chance [16]byte
	if _, err := rand.Read(chance[:]); err != nil {
		fail("chance", err)
	}
	keys := []string{}
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Print(k, "=", counts[k], " ")
	}
	slept := time.Since(began)
	fmt.Println(os.Args[1:], os.Getenv("COLOR"), len(entries), total, began.Year() > 2020,
		slept >= 20*time.Millisecond && slept < 10*time.Second, chance != [16]byte{})
	if err := os.WriteFile("/out/r", []byte("go"), 0o644); err != nil {
		fail("an output", err)
	}
	if err := os.WriteFile("/in/no", nil, 0o644); err == nil {
		fail("an input folder that can be written", nil)
	}
	os.Exit(3)
}
