import { KeyRound, Link2, Sparkles } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { Button as AriaButton } from 'react-aria-components'
import { Logo } from '../app/logo.js'
import { parseJoin, useHash } from '../app/route.js'
import { CreateIdentity } from './create-identity.js'
import { Join } from './join.js'
import { Recover } from './recover.js'
import styles from './welcome.module.css'

type Step = 'choose' | 'create' | 'join' | 'recover'

/** What a browser without an identity shows. */
export default function Welcome({ onReady }: { onReady: () => void }) {
  const ticket = parseJoin(useHash())
  const [step, setStep] = useState<Step>(ticket === undefined ? 'choose' : 'join')
  const back = () => setStep('choose')
  // A link that is opened in this very page only changes the fragment of its address.
  useEffect(() => {
    if (ticket !== undefined) setStep('join')
  }, [ticket])
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <header className={styles.brand}>
          <Logo size={36} />
          <h1>Peerfold Drive</h1>
        </header>
        {step === 'choose' && <Choices onChoose={setStep} />}
        {step === 'create' && <CreateIdentity onBack={back} onReady={onReady} />}
        {step === 'join' && <Join ticket={ticket} onBack={back} onReady={onReady} />}
        {step === 'recover' && <Recover onBack={back} onReady={onReady} />}
      </div>
    </main>
  )
}

function Choices({ onChoose }: { onChoose: (step: Step) => void }) {
  return (
    <>
      <p className={styles.lead}>
        Your files on all your devices. They travel straight from one to another, sealed so that nobody in
        between can read them.
      </p>
      <div className={styles.choices}>
        <Choice
          icon={<Link2 size={20} aria-hidden />}
          title="Join my other devices"
          onPress={() => onChoose('join')}
        >
          With an invitation from one of them
        </Choice>
        <Choice
          icon={<Sparkles size={20} aria-hidden />}
          title="Start new"
          onPress={() => onChoose('create')}
        >
          This is my first device
        </Choice>
        <Choice
          icon={<KeyRound size={20} aria-hidden />}
          title="Recover with my phrase"
          onPress={() => onChoose('recover')}
        >
          With the 24 words that I wrote down
        </Choice>
      </div>
    </>
  )
}

interface ChoiceProps {
  icon: ReactNode
  title: string
  onPress: () => void
  children: ReactNode
}

function Choice({ icon, title, onPress, children }: ChoiceProps) {
  return (
    <AriaButton className={styles.choice} onPress={onPress}>
      <span className={styles.choiceIcon}>{icon}</span>
      <span className={styles.choiceText}>
        <strong>{title}</strong>
        <span>{children}</span>
      </span>
    </AriaButton>
  )
}
