// All binding motifs.
// columns: motif, name, family, class, species, width
MATCH (m:Motif)
RETURN m.id AS motif, m.name AS name, m.family AS family, m.class AS class, m.species AS species, m.width AS width
