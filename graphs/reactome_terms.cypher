// All pathways of Reactome.
// columns: id, label
MATCH (p:Pathway)
WHERE p.source = 'reactome'
RETURN p.id AS id, p.name AS label
