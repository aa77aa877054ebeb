// Judges a log's directory with golang.org/x/mod/sumdb/{note,tlog}, which share no code with Sanad: opens the checkpoint,
// checks every tile, every record's inclusion, and that the archived checkpoints grow into the latest. Bundles below the minimum
// that the newest retention record of the log names may be missing. Of the keys only the first is believed: each of the others must be
// announced by the last record of a tree that the one before it signed.
// With a witness's key as well, it demands that witness's cosignature (c2sp.org/tlog-cosignature) on the latest checkpoint.
//
// usage: judge DIRECTORY VKEY [WITNESS-VKEY]
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type directory struct{ root string }

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, "judge: "+format+"\n", args...)
	os.Exit(1)
}

// tlog-tiles drops the height of x/mod's tile paths, and its entry bundles are x/mod's data tiles under another name.
func path(tile tlog.Tile) string {
	p := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if tile.L == -1 {
		p = "entries" + strings.TrimPrefix(p, "data")
	}
	return "tile/" + p
}

// A partial tile may be gone once the full one is there.
func (d directory) read(tile tlog.Tile) ([]byte, bool, error) {
	data, err := os.ReadFile(filepath.Join(d.root, path(tile)))
	if err == nil || tile.W == 1<<height {
		return data, tile.W == 1<<height, err
	}
	tile.W = 1 << height
	data, err = os.ReadFile(filepath.Join(d.root, path(tile)))
	return data, true, err
}

func (d directory) Height() int { return height }

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, _, err := d.read(tile)
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path(tile), len(data))
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

func (d directory) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (d directory) has(index int64, width int) bool {
	_, _, err := d.read(tlog.Tile{H: height, L: -1, N: index, W: width})
	return !os.IsNotExist(err)
}

// Records below it are past retention: what the newest record that says so says. That record is checked like any other.
func (d directory) minimum(size int64) int64 {
	for index := (size - 1) >> height; index >= 0; index-- {
		width := 1 << height
		if size-index<<height < int64(width) {
			width = int(size - index<<height)
		}
		if !d.has(index, width) {
			return 0
		}
		entries := d.entries(index, width)
		for i := len(entries) - 1; i >= 0; i-- {
			var leaf struct {
				Event struct {
					Class    int64 `json:"class_uid"`
					Unmapped struct {
						Sanad struct {
							Name, Action string
							New          json.RawMessage
						}
					}
				}
			}
			if !bytes.Contains(entries[i], []byte(`"name":"retention"`)) || json.Unmarshal(entries[i], &leaf) != nil {
				continue
			}
			own := leaf.Event.Unmapped.Sanad
			if leaf.Event.Class != 0 || own.Name != "retention" || own.Action != "minimum" {
				continue
			}
			minimum, err := strconv.ParseInt(string(own.New), 10, 64)
			if err != nil {
				fail("record %d: minimum %s", index<<height+int64(i), own.New)
			}
			return minimum
		}
	}
	return 0
}

func (d directory) entries(index int64, width int) [][]byte {
	tile := tlog.Tile{H: height, L: -1, N: index, W: width}
	data, full, err := d.read(tile)
	if err != nil {
		fail("%v", err)
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			fail("%s: entry %d is cut off", path(tile), len(entries))
		}
		length := int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	if (full && len(entries) != 1<<height) || (!full && len(entries) != width) {
		fail("%s has %d entries", path(tile), len(entries))
	}
	return entries[:width]
}

// x/mod's note package knows type 1 only; it takes any Verifier.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
	return time > 0 && time < 1<<63 && ed25519.Verify(c.key, message, signature[8:])
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		fail("%s: not a verifier key", vkey)
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		fail("%s: %v", vkey, err)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 0x04 {
		fail("%s: not a witness's key", vkey)
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if binary.BigEndian.Uint32(digest[:]) != uint32(hash) {
		fail("%s: another key id", vkey)
	}
	return cosigner{parts[0], uint32(hash), key[1:]}
}

func open(file string, verifier note.Verifier, others ...note.Verifier) tlog.Tree {
	text, err := os.ReadFile(file)
	if err != nil {
		fail("%v", err)
	}
	opened, err := note.Open(text, note.VerifierList(append(others, verifier)...))
	if err != nil {
		fail("%s: %v", file, err)
	}
	for _, wanted := range append(others, verifier) {
		signed := false
		for _, signature := range opened.Sigs {
			signed = signed || (signature.Name == wanted.Name() && signature.Hash == wanted.KeyHash())
		}
		if !signed {
			fail("%s: not signed by %s", file, wanted.Name())
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("%s: not three lines with the origin %s", file, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		fail("%s: size %q", file, lines[1])
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		fail("%s: %v", file, err)
	}
	return tlog.Tree{N: size, Hash: hash}
}

type epoch struct {
	number   int64
	end      int64 // records in the last tree of it; 0: it goes on
	verifier note.Verifier
}

// The keys, as the records of the log announce them; of use only with the checkpoints that each of them signed last.
func (d directory) epochs(first note.Verifier, size int64) []epoch {
	list := []epoch{{0, 0, first}}
	for index := int64(0); index < size; index += 1 << height {
		width := size - index
		if width > 1<<height {
			width = 1 << height
		}
		// Past retention; what announced keys there is gone.
		if !d.has(index>>height, int(width)) {
			continue
		}
		for i, entry := range d.entries(index>>height, int(width)) {
			var record struct {
				Epoch int64
				Event struct {
					Unmapped struct {
						Sanad struct {
							Name       string
							Epoch      int64
							Key        string
							FirstIndex int64 `json:"first_index"`
						}
					}
				}
			}
			at := index + int64(i)
			if err := json.Unmarshal(entry, &record); err != nil {
				fail("record %d: %v", at, err)
			}
			last := &list[len(list)-1]
			if last.number == 0 {
				last.number = record.Epoch
			}
			if record.Epoch != last.number {
				fail("record %d: of epoch %d, not %d", at, record.Epoch, last.number)
			}
			said := record.Event.Unmapped.Sanad
			if said.Name != "log_key" || at == 0 {
				continue
			}
			verifier, err := note.NewVerifier(said.Key)
			if err != nil || said.Epoch != last.number+1 || said.FirstIndex != at+1 || verifier.Name() != first.Name() {
				fail("record %d: announces no next key", at)
			}
			last.end = at + 1
			list = append(list, epoch{said.Epoch, 0, verifier})
		}
	}
	return list
}

// The size a checkpoint says it is of, before anybody has vouched for it: which key has to.
func claimed(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		fail("%v", err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 {
		fail("%s: no checkpoint", file)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("%s: %v", file, err)
	}
	return size
}

func verifierOf(epochs []epoch, size int64) note.Verifier {
	for _, e := range epochs {
		if e.end == 0 || size <= e.end {
			return e.verifier
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		fail("usage: judge DIRECTORY VKEY [WITNESS-VKEY]")
	}
	d := directory{os.Args[1]}
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fail("%s: %v", os.Args[2], err)
	}
	var witnesses []note.Verifier
	for _, vkey := range os.Args[3:] {
		witnesses = append(witnesses, newCosigner(vkey))
	}
	size := claimed(filepath.Join(d.root, "checkpoint"))
	epochs := d.epochs(verifier, size)
	tree := open(filepath.Join(d.root, "checkpoint"), verifierOf(epochs, size), witnesses...)
	for _, e := range epochs {
		if e.end > 0 && e.end < tree.N {
			open(filepath.Join(d.root, "checkpoints", strconv.FormatInt(e.end, 10)), e.verifier)
		}
	}
	reader := tlog.TileHashReader(tree, d)

	// Every tile the log has at this size: its bytes are those that the tiles below hash to, up to the signed root.
	tiles := 0
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		// NewTiles lists every width a partial tile ever had; only the last is this size's.
		if tile.W != 1<<height && int64(tile.W) != (tree.N>>uint(height*tile.L))&(1<<height-1) {
			continue
		}
		want, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			fail("%s: %v", path(tile), err)
		}
		have, err := os.ReadFile(filepath.Join(d.root, path(tile)))
		if err != nil {
			fail("%v", err)
		}
		if !bytes.Equal(want, have) {
			fail("%s: not what the signed tree has there", path(tile))
		}
		tiles++
	}

	// Every record is included where it stands.
	minimum, missing := int64(-1), 0
	for first := int64(0); first < tree.N; first += 1 << height {
		width := 1 << height
		if tree.N-first < int64(width) {
			width = int(tree.N - first)
		}
		if !d.has(first>>height, width) {
			if minimum < 0 {
				minimum = d.minimum(tree.N)
			}
			if first+1<<height > minimum {
				fail("record %d: its bundle is missing, and no retention record covers it", first)
			}
			missing++
			continue
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		stored, err := reader.ReadHashes(indexes)
		if err != nil {
			fail("record %d: %v", first, err)
		}
		for i, entry := range d.entries(first>>height, width) {
			index := first + int64(i)
			hash := tlog.RecordHash(entry)
			if stored[i] != hash {
				fail("record %d: another hash in the tree", index)
			}
			// A whole proof for some of each bundle; their hashes are authenticated all the same.
			if i%101 != 0 && index != tree.N-1 {
				continue
			}
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				fail("record %d: %v", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash); err != nil {
				fail("record %d: %v", index, err)
			}
		}
	}

	names, err := filepath.Glob(filepath.Join(d.root, "checkpoints", "*"))
	if err != nil {
		fail("%v", err)
	}
	sort.Strings(names)
	for _, name := range names {
		earlier := open(name, verifierOf(epochs, claimed(name)))
		if filepath.Base(name) != strconv.FormatInt(earlier.N, 10) {
			fail("%s: of size %d", name, earlier.N)
		}
		proof, err := tlog.ProveTree(tree.N, earlier.N, reader)
		if err != nil {
			fail("%s: %v", name, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash); err != nil {
			fail("%s: %v", name, err)
		}
	}
	fmt.Printf("%d records (%d bundles past retention), %d keys, %d tiles, %d archived checkpoints: all good\n",
		tree.N, missing, len(epochs), tiles, len(names))
}
