// All pathways.
// columns: id, label
MATCH (p:Pathway)
RETURN p.id AS id, p.name AS label
