// The counts of some motifs, position after position, each in the order A, C, G, T.
// parameters: motifs
// columns: motif, pfm
MATCH (m:Motif)
WHERE m.id IN $motifs
RETURN m.id AS motif, m.pfm AS pfm
